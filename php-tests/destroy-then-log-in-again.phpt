--TEST--
An id that was destroyed can be used again at once where strict mode is off: log in, log out, log in on one cookie
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

for ($time = 1; $time <= 4; $time++) {
    same("log in $time starts silently", [true, ''], start('visitor'));
    $_SESSION['log in'] = $time;
    session_write_close();
    start('visitor');
    same("log in $time is remembered", ['log in' => $time], $_SESSION);
    session_destroy();
}
done();
--EXPECT--
8 claims hold
