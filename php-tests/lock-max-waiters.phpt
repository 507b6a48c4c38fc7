--TEST--
cloakroom.max_waiters limits how many requests wait for one session
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

start('busy');
$wait = 'say("starts"); say(start("busy")); session_write_close();';
$waiting = [];
for ($number = 0; $number < 2; $number++) {
    $process = Process::run($wait);
    $process->hear();
    $process->sleeps();
    $waiting[] = $process;
}
$limited = Process::run('ini_set("cloakroom.max_waiters", "2"); say(start("busy"));');
[$started, $warnings] = $limited->hear();
same('one request more than the limit fails at once', false, $started);
matches('the warning names the limit', '/2 requests wait.*cloakroom\.max_waiters = 2/', $warnings);
matches('and the holder', '/process ' . getmypid() . '\b/', $warnings);

$below = Process::run('ini_set("cloakroom.max_waiters", "3"); say("starts"); say(start("busy"));');
same('below the limit a request waits', 'starts', $below->hear());
$below->sleeps();
session_write_close();
same('those who waited go on', [[true, ''], [true, '']], array_map(fn (Process $process) => $process->hear(), $waiting));
same('the last one, too', [true, ''], $below->hear());
done();
--EXPECT--
6 claims hold
