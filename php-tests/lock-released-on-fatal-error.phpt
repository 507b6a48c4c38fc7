--TEST--
A fatal error frees the session's lock
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
    ini_set('memory_limit', '16M');
    $too_much = str_repeat('x', 100_000_000);
PHP);
same('a process holds the session', [true, ''], $holder->hear());
$holder->tell('end');
$holder->wait();
matches('it ends with a fatal error', '/Allowed memory size/', $holder->complaints());
same('the next request gets the lock', [true, ''], start('shared'));
same('and finds the data', ['x' => 'new'], $_SESSION);
session_abort();
done();
--EXPECT--
4 claims hold
