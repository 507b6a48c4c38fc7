--TEST--
session_write_close() stores at once, ends the session and leaves $_SESSION readable
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

same('without a session there is nothing to close', false, session_write_close());
start('closing');
$_SESSION['x'] = 1;
same('it succeeds', [true, ''], with_warnings(session_write_close(...)));
same('no session is active any more', PHP_SESSION_NONE, session_status());
same('$_SESSION can still be read', ['x' => 1], $_SESSION);
same('a second close has nothing to do', false, session_write_close());

$other = Process::run('say(stored("closing"));');
same('another process sees the data while this one goes on', ['x' => 1], $other->hear());

$_SESSION['late'] = 1;
same('a change after the close is not stored', ['x' => 1], stored('closing'));

start('closing');
$_SESSION['y'] = 2;
same('session_commit() is the same function', true, session_commit());
same('and stores', ['x' => 1, 'y' => 2], stored('closing'));
done();
--EXPECT--
9 claims hold
