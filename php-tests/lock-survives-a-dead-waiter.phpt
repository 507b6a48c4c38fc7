--TEST--
The death of a request that waits harms neither the holder nor the others who wait
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

start('shared');
$wait = 'say("starts"); say(start("shared")); hear();';
$first = Process::run($wait);
$first->hear();
$first->sleeps();
$second = Process::run($wait);
$second->hear();
$second->sleeps();
$first->signal(Process::KILL);
same('the first that waits is killed', null, $first->wait());

$probe = Process::run('ini_set("cloakroom.lock_wait", "0"); say(start("shared")[0]);');
same('the holder still has the lock', false, $probe->hear());
$_SESSION['x'] = 1;
session_write_close();
same('the second gets it after the holder', [true, ''], $second->hear());
$probe = Process::run('ini_set("cloakroom.lock_wait", "0"); say(start("shared")[0]);');
same('and keeps it', false, $probe->hear());
$second->tell('end');
same('until it ends', 0, $second->wait());
same('the holder\'s data is there', ['x' => 1], stored('shared'));
done();
--EXPECT--
6 claims hold
