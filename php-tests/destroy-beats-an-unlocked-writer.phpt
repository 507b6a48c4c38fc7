--TEST--
A slower request without a lock cannot undo a logout
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock', 'none');

put('logout', ['user' => 'somebody']);
$slow = Process::run(<<<'PHP'
    ini_set('cloakroom.lock', 'none');
    start('logout');
    say($_SESSION);
    hear();
    $_SESSION['user'] = 'revived';
    session_write_close();
    say('closed');
PHP);
same('a request has read the session', ['user' => 'somebody'], $slow->hear());
start('logout');
same('another destroys it meanwhile', true, session_destroy());
$slow->tell('write');
same('the slow one writes', 'closed', $slow->hear());
same('and the session stays destroyed', [], stored('logout'));
done();
--EXPECT--
4 claims hold
