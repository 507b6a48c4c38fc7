--TEST--
A session of php-memcached is migrated at its first use, after a request of php-memcached that is at work; what is ended here is ended there
--SKIPIF--
<?php
require __DIR__ . '/old_php.inc';
skip_without('php-memcached', ['igbinary', 'msgpack', 'memcached'], 'memcached');
--FILE--
<?php
require __DIR__ . '/old_server.inc';
use_cloakroom(own_directory());

$server = OldServer::memcached();
$old = OldHandler::memcached("$server->socket:0", ['memcached.sess_prefix' => 'app.']);
$from = "memcached:$server->socket:0?prefix=app.&timeout=20";

$migrated = 0;
foreach (['exclusive', 'merge', 'none'] as $lock) {
    foreach (['0', '1'] as $strict) {
        $id = "$lock-$strict";
        $old->request($id, ['user' => $id, 'n' => 1]);
        $found = migrating($from, <<<PHP
            \$started = start('$id');
            \$found = \$_SESSION;
            \$_SESSION['n'] = 2;
            session_write_close();
            say([\$started, session_id(), \$found, stored('$id'), Cloakroom\status()['migrated']]);
        PHP, ['cloakroom.lock' => $lock, 'session.use_strict_mode' => $strict]);
        $expected = [[true, ''], $id, ['user' => $id, 'n' => 1], ['user' => $id, 'n' => 2], ++$migrated];
        same("it is here with what it had, and counted ($id)", $expected, $found);
        same("it needs the old server no more ($id)", ['user' => $id, 'n' => 2], stored($id));
        same("and is as it was there ($id)", ['user' => $id, 'n' => 1], $old->request($id));
    }
}

$old->request('busy', ['n' => 1]);
$request = $old->open('busy', ['late' => true]);
same('a reader finds what was written last', ['n' => 1], migrating($from, 'say(stored("busy"));'));
$waiter = Process::run('say("begins"); say([start("busy"), $_SESSION]); session_write_close();', ['cloakroom.migrate_from' => $from]);
$waiter->hear();
$waiter->sleeps();
same('the request of php-memcached still has its session', ['n' => 1], $request->end());
same('who waits gets what it wrote', [[true, ''], ['late' => true, 'n' => 1]], $waiter->hear());

same('a session that is destroyed here', [], migrating($from, 'start("busy"); session_destroy(); say(stored("busy"));'));
same('is gone there', [], $old->request('busy'));

$old->request('crowd', ['n' => 0]);
$count_up = <<<'PHP'
    say('ready');
    hear();
    $started = start('crowd');
    $_SESSION['n']++;
    session_write_close();
    say($started);
PHP;
$crowd = array_map(fn () => Process::run($count_up, ['cloakroom.migrate_from' => $from]), range(1, 8));
array_map(fn ($process) => $process->hear(), $crowd);
array_map(fn ($process) => $process->tell(), $crowd);
foreach ($crowd as $process) {
    same('each of eight gets it', [true, ''], $process->hear());
}
same('and nothing of theirs is lost', ['n' => 8], stored('crowd'));
same('nor changed there, where it is free', ['n' => 0], $old->request('crowd'));
done();
--EXPECT--
75 claims hold
