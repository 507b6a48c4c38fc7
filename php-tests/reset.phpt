--TEST--
session_reset() goes back to the stored data, keeps the lock and does not wait for it
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '0');

same('without a session there is nothing to reset', false, session_reset());
put('resets', ['a' => 1]);
start('resets');
foreach (['once', 'twice'] as $time) {
    $_SESSION = ['b' => 2];
    same("it succeeds $time", [true, ''], with_warnings(session_reset(...)));
    same("it restores the data $time", ['a' => 1], $_SESSION);
}
same('the session stays active', PHP_SESSION_ACTIVE, session_status());

$other = Process::run('ini_set("cloakroom.lock_wait", "0"); say(start("resets")[0]);');
same('and locked', false, $other->hear());

$_SESSION['c'] = 3;
same('it can still be written', [true, ''], with_warnings(session_write_close(...)));
same('with what came after the reset', ['a' => 1, 'c' => 3], stored('resets'));
done();
--EXPECT--
9 claims hold
