--TEST--
session_start(['read_and_close' => true]) reads, and neither writes nor locks
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('read', ['x' => 1]);
same('it succeeds', [true, ''], start('read', ['read_and_close' => true]));
same('the data is there', ['x' => 1], $_SESSION);
same('no session is active', PHP_SESSION_NONE, session_status());
$other = Process::run('ini_set("cloakroom.lock_wait", "0"); say(start("read"));');
same('another process can lock the session', [true, ''], $other->hear());
$other->wait();
$_SESSION['x'] = 2;
same('there is nothing to close', false, session_write_close());
$script = Process::run('start("read", ["read_and_close" => true]); $_SESSION["x"] = 3;');
same('a script that changes the data ends normally', 0, $script->wait());
same('and changed nothing', ['x' => 1], stored('read'));
done();
--EXPECT--
7 claims hold
