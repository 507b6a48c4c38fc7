--TEST--
session_abort() drops the changes and frees the lock
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

same('without a session there is nothing to abort', false, session_abort());
put('aborted', ['before' => 1]);
start('aborted');
$_SESSION = ['changed' => 2];
same('it succeeds', [true, ''], with_warnings(session_abort(...)));
same('no session is active any more', PHP_SESSION_NONE, session_status());
same('$_SESSION still shows the changes', ['changed' => 2], $_SESSION);

$other = Process::run('ini_set("cloakroom.lock_wait", "0"); say(start("aborted")); say($_SESSION);');
same('another process gets the lock at once', [true, ''], $other->hear());
same('and finds the data as it was', ['before' => 1], $other->hear());
$other->wait();
same('which is still there', ['before' => 1], stored('aborted'));
done();
--EXPECT--
7 claims hold
