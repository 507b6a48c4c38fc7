--TEST--
The death of the holder hands the lock to a request that waits already
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('shared', ['x' => 'old']);
$holder = Process::run('say(start("shared")); $_SESSION["x"] = "lost"; hear();');
same('a process holds the session', [true, ''], $holder->hear());
$waiting = Process::run('say("starts"); $started = start("shared"); say([$started, $_SESSION]);');
same('another starts', 'starts', $waiting->hear());
$waiting->sleeps();
$holder->signal(Process::KILL);
same('it goes on with the data stored last', [[true, ''], ['x' => 'old']], $waiting->hear());
same('and ends normally', 0, $waiting->wait());
done();
--EXPECT--
4 claims hold
