--TEST--
What a script changes after session_destroy() is not stored
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('ended', ['x' => 1]);
$other = Process::run('start("ended"); session_destroy(); $_SESSION["late"] = 1; say(session_write_close());');
same('there is nothing left to close', false, $other->hear());
same('it ends normally', 0, $other->wait());
same('the change was not stored', [], stored('ended'));
done();
--EXPECT--
3 claims hold
