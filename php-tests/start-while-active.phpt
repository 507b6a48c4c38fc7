--TEST--
session_start() in an active session says so and changes nothing
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

start('active');
$_SESSION['kept'] = 1;
[$started, $warnings] = with_warnings(fn () => session_start());
same('it is not a failure', true, $started);
matches('PHP tells', '/already active/', $warnings);
same('the data is untouched', ['kept' => 1], $_SESSION);
session_write_close();
same('and is stored', ['kept' => 1], stored('active'));
done();
--EXPECT--
4 claims hold
