--TEST--
A stopped process keeps its lock
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '1');

$holder = Process::run('say(start("shared")); $_SESSION["x"] = "from the holder"; hear();');
same('a process holds the session', [true, ''], $holder->hear());
$holder->signal(Process::STOP);
same('while it is stopped nobody gets the lock', false, start('shared')[0]);
$holder->signal(Process::CONTINUE);
$holder->tell('end');
same('it goes on and ends normally', 0, $holder->wait());
same('what it stored is there', ['x' => 'from the holder'], stored('shared'));
done();
--EXPECT--
4 claims hold
