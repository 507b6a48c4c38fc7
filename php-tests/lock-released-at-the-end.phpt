--TEST--
The end of a script stores the session and frees its lock
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '20');

put('shared', ['x' => 'old']);
$holder = Process::run(<<<'PHP'
    say(start('shared'));
    $_SESSION['x'] = 'new';
    hear();

PHP);
same('a process holds the session', [true, ''], $holder->hear());
$holder->tell('end');
same('it ends normally', 0, $holder->wait());
same('the next request gets the lock', [true, ''], start('shared'));
same('and finds the data', ['x' => 'new'], $_SESSION);
session_abort();
done();
--EXPECT--
4 claims hold
