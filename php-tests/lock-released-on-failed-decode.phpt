--TEST--
A session that cannot be decoded is not left locked
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
    session_write_close();
    ini_set('session.serialize_handler', 'php_serialize');
    start('shared');
    ini_set('session.serialize_handler', 'php');
    put('shared', ['x' => 'fresh']);
    say('decoded');
    hear();
PHP);
same('a process holds the session', [true, ''], $holder->hear());
$holder->tell('end');
same('it goes on', 'decoded', $holder->hear());
same('the next request gets the lock', [true, ''], start('shared'));
same('and finds the data', ['x' => 'fresh'], $_SESSION);
session_abort();
done();
--EXPECT--
4 claims hold
