--TEST--
Strict mode keeps the id of a session that another request holds
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('session.use_strict_mode', '1');
ini_set('cloakroom.lock_wait', '1');

ini_set('session.use_strict_mode', '0');
put('busy', ['x' => 1]);
ini_set('session.use_strict_mode', '1');
$holder = Process::run('say(start("busy")); hear(); session_write_close(); say("closed");');
same('another process holds the session', [true, ''], $holder->hear());
start('busy', ['read_and_close' => true]);
same('a reader keeps the id', ['busy', ['x' => 1]], [session_id(), $_SESSION]);
same('a request that waits in vain fails', false, start('busy')[0]);
same('and is not given another id', '', session_id());
$holder->tell('close');
$holder->hear();
start('busy');
same('afterwards the session starts under it', 'busy', session_id());
session_abort();
done();
--EXPECT--
5 claims hold
