--TEST--
A request that waits for the lock goes on when it is released, with the new data
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

start('shared');
$_SESSION['x'] = 'new';
$waiting = Process::run('say("starts"); $started = start("shared"); say([$started, $_SESSION]); session_write_close();');
same('another request starts', 'starts', $waiting->hear());
$waiting->sleeps();
session_write_close();
same('it goes on with the new data', [[true, ''], ['x' => 'new']], $waiting->hear());
same('and ends normally', 0, $waiting->wait());
same('the lock is free afterwards', [true, ''], start('shared'));
session_abort();
done();
--EXPECT--
4 claims hold
