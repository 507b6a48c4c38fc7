--TEST--
A session is locked from session_start() to its end
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '0');

$holder = Process::run('say(start("locked")); hear(); session_write_close(); say("closed"); hear();');
same('a process starts the session', [true, ''], $holder->hear());
foreach (['at once', 'and again'] as $when) {
    [$started, $warnings] = start('locked');
    same("another cannot $when", false, $started);
    matches("$when it is told who holds the lock", "/process $holder->pid has held it/", $warnings);
}
same('other sessions are free', [true, ''], start('another'));
session_abort();
$holder->tell('close');
$holder->hear();
same('after the close the session is free while its process goes on', [true, ''], start('locked'));
session_abort();
done();
--EXPECT--
7 claims hold
