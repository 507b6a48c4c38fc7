--TEST--
A request that did not get the lock changes nothing, whatever it does
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('kept', ['x' => 'old']);
start('kept');
$late = Process::run(<<<'PHP'
    ini_set('cloakroom.lock_wait', '0');
    $started = start('kept')[0];
    $_SESSION['x'] = 'overwritten';
    say([$started, @session_write_close(), @session_destroy()]);
PHP);
same('it can neither start, write nor destroy', [false, false, false], $late->hear());
same('it ends normally', 0, $late->wait());
session_abort();
same('a reader finds the old data', ['x' => 'old'], stored('kept'));
put('kept', ['x' => 'new']);
same('the session goes on', ['x' => 'new'], stored('kept'));
done();
--EXPECT--
4 claims hold
