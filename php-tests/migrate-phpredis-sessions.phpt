--TEST--
A session of phpredis is migrated at its first use: in each lock mode, with strict mode and without, by writers and readers; and what is ended here is ended there
--SKIPIF--
<?php
require __DIR__ . '/old_php.inc';
skip_without('php-redis', ['igbinary', 'redis'], 'redis-server');
--FILE--
<?php
require __DIR__ . '/old_server.inc';
use_cloakroom(own_directory());

$server = OldServer::redis('--requirepass', 'word&1');
$path = "unix://$server->socket?auth=word%261&database=2&prefix=app%20one:&" . PATIENT;
$old = OldHandler::phpredis($path);
$from = "redis:$path";

$ways = [];
foreach (['exclusive', 'merge', 'none'] as $lock) {
    foreach (['0', '1'] as $strict) {
        $ways["$lock-$strict"] = ['cloakroom.lock' => $lock, 'session.use_strict_mode' => $strict];
    }
}
foreach ($ways as $id => $ini) {
    $old->request($id, ['user' => $id, 'n' => 1]);
    $found = migrating($from, <<<PHP
        \$started = start('$id');
        \$found = \$_SESSION;
        \$_SESSION['n'] = 2;
        session_write_close();
        say([\$started, session_id(), \$found, stored('$id'), Cloakroom\status()['migrated']]);
    PHP, $ini);
    $expected = [[true, ''], $id, ['user' => $id, 'n' => 1], ['user' => $id, 'n' => 2], array_search($id, array_keys($ways)) + 1];
    same("it is here with what it had, and counted ($id)", $expected, $found);
    same("it needs the old server no more ($id)", ['user' => $id, 'n' => 2], stored($id));
    same("and is as it was there ($id)", ['user' => $id, 'n' => 1], $old->request($id));
}

$old->request('reader', ['n' => 1]);
same('a reader migrates it too', [['n' => 1], 7], migrating($from, 'say([stored("reader"), Cloakroom\status()["migrated"]]);'));
same('and it is here', ['n' => 1], stored('reader'));

$destroy = 'start("reader"); session_destroy(); say(stored("reader"));';
same('a session that is destroyed here', [], migrating($from, $destroy));
same('is gone there', [], $old->request('reader'));

$old->request('unset', ['n' => 1]);
same('one that is emptied here', [], migrating($from, 'start("unset"); session_unset(); session_write_close(); say(stored("unset"));'));
same('does not come back', [], migrating($from, 'say(stored("unset"));'));

same('one that is nowhere', [[true, ''], []], migrating($from, 'say([start("nowhere"), $_SESSION]);'));
$other = migrating($from, 'start("nowhere2"); say(session_id());', ['session.use_strict_mode' => '1']);
check('gets a new id in strict mode', $other !== 'nowhere2');
done();
--EXPECT--
68 claims hold
