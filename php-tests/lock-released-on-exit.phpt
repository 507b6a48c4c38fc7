--TEST--
exit in the middle of a script stores the session and frees its lock
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
    (function (): never {
        exit(3);
    })();
PHP);
same('a process holds the session', [true, ''], $holder->hear());
$holder->tell('end');
same('it ends with its own code', 3, $holder->wait());
same('the next request gets the lock', [true, ''], start('shared'));
same('and finds the data', ['x' => 'new'], $_SESSION);
session_abort();
done();
--EXPECT--
4 claims hold
