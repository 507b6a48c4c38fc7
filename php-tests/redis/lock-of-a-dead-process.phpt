--TEST--
The lock of a process that was killed is free after cloakroom.lock_ttl; that of one that works longer is not
--INI--
cloakroom.lock_ttl=1
--SKIPIF--
<?php getenv('CLOAKROOM_TEST_SERVER') || die('skip no server: scripts/run-phpt --redis has one');
--FILE--
<?php
require __DIR__ . '/server.inc';
use_cloakroom(own_directory());

put('held', ['x' => 'before']);
$holder = Process::run('say(start("held")); hear();', ['cloakroom.lock_ttl' => '1']);
same('it holds the session', [true, ''], $holder->hear());
$end = hrtime(true) + 3_000_000_000;
$free = 0;
while (hrtime(true) < $end) {
    $free += is_array(found_free('held')) ? 1 : 0;
    usleep(50_000);
}
same('for three times its lock_ttl nobody else gets it', 0, $free);
$holder->signal(Process::KILL);
$killed = hrtime(true);
ini_set('cloakroom.lock_wait', '20');
same('then somebody does', [true, ''], start('held'));
$waited = (hrtime(true) - $killed) / 1e9;
check('within lock_ttl and the second of the safety net', $waited < 4, "$waited s");
same('with what was stored', ['x' => 'before'], $_SESSION);
session_write_close();
done();
--EXPECT--
5 claims hold
