--TEST--
session_start() fails when cloakroom.lock_wait is over and names the holder
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '1');

put('slow', ['x' => 1]);
$holder = Process::run('say(start("slow")); hear();', name: 'slow_report.php');
same('a process holds the session', [true, ''], $holder->hear());
$before = hrtime(true);
[$started, $warnings] = start('slow');
$waited = (hrtime(true) - $before) / 1e9;
same('the start fails', false, $started);
check('not before the time is over', $waited >= 1, "after $waited s");
matches('the warning tells how long it waited', '/waited 1\.\d s/', $warnings);
matches('who holds the lock', "/process $holder->pid\\b/", $warnings);
matches('for how long', '/has held it for \d+\.\d s/', $warnings);
matches('and which script that is', '/slow_report\.php/', $warnings);
check('it does not tell the id', !str_contains($warnings, '"slow"'));
same('no session is active', PHP_SESSION_NONE, session_status());
done();
--EXPECT--
9 claims hold
