--TEST--
session_destroy() frees the session's lock while its process goes on
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
    session_destroy();
    put('shared', ['x' => 'another life']);
    say('destroyed');
    hear();
PHP);
same('a process holds the session', [true, ''], $holder->hear());
$holder->tell('end');
same('it goes on', 'destroyed', $holder->hear());
same('the next request gets the lock', [true, ''], start('shared'));
same('and finds the data', ['x' => 'another life'], $_SESSION);
session_abort();
done();
--EXPECT--
4 claims hold
