--TEST--
A request of phpredis that is at work is waited for and what it wrote is migrated; eight at once migrate a session once; a reader waits for nobody
--SKIPIF--
<?php
require __DIR__ . '/old_php.inc';
skip_without('php-redis', ['igbinary', 'redis'], 'redis-server');
--FILE--
<?php
require __DIR__ . '/old_server.inc';
use_cloakroom(own_directory());

$server = OldServer::redis();
$old = OldHandler::phpredis("unix://$server->socket");
$from = "redis:unix://$server->socket?" . PATIENT;

$old->request('busy', ['n' => 1]);
$request = $old->open('busy', ['late' => true]);
same('a reader finds what was written last', ['n' => 1], migrating($from, 'say(stored("busy"));'));
[$started, $warning] = migrating($from, 'say(start("busy"));', ['cloakroom.lock_wait' => '0']);
same('who must not wait fails', false, $started);
matches('and is told why', '~in use by a request of the old session handler \(redis:unix://~', $warning);
same('nothing is here yet', [], stored('busy'));

$waiter = Process::run('say("begins"); $found = [start("busy"), $_SESSION]; session_write_close(); Cloakroom\status(); say($found);', ['cloakroom.migrate_from' => $from]);
$waiter->hear();
$waiter->sleeps();
same('the request of phpredis still has its session', ['n' => 1], $request->end());
same('who waits gets what it wrote', [[true, ''], ['late' => true, 'n' => 1]], $waiter->hear());

$old->request('crowd', ['n' => 0]);
$count_up = <<<'PHP'
    say('ready');
    hear();
    $started = start('crowd');
    $_SESSION['n']++;
    session_write_close();
    // On a server, asking also tells what this process has counted.
    Cloakroom\status();
    say($started);
PHP;
$crowd = array_map(fn () => Process::run($count_up, ['cloakroom.migrate_from' => $from]), range(1, 8));
array_map(fn ($process) => $process->hear(), $crowd);
array_map(fn ($process) => $process->tell(), $crowd);
foreach ($crowd as $process) {
    same('each of eight gets it', [true, ''], $process->hear());
}
same('migrated once, as the one before', 2, Cloakroom\status()['migrated']);
same('and nothing of theirs is lost', ['n' => 8], stored('crowd'));
same('nor changed there, where it is free', ['n' => 0], $old->request('crowd'));
done();
--EXPECT--
27 claims hold
