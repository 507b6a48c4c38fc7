--TEST--
Requests that wait get the lock in the order in which they came
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

start('shared');
$_SESSION['order'] = [];
$waiting = [];
for ($number = 0; $number < 5; $number++) {
    $process = Process::run('$number = hear(); say("starts"); $started = start("shared"); $_SESSION["order"][] = $number; say($started);');
    $process->tell((string) $number);
    $process->hear();
    $process->sleeps();
    $waiting[] = $process;
}
session_write_close();
same('all get the lock', array_fill(0, 5, [true, '']), array_map(fn (Process $process) => $process->hear(), $waiting));
array_map(fn (Process $process) => $process->wait(), $waiting);
same('in order', ['0', '1', '2', '3', '4'], stored('shared')['order']);
done();
--EXPECT--
2 claims hold
