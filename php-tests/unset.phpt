--TEST--
session_unset() empties $_SESSION and, at the close, the stored session
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

same('without a session there is nothing to unset', false, session_unset());
put('unset', ['a' => 1, 'b' => 2]);
start('unset');
same('it succeeds', true, session_unset());
same('$_SESSION is empty', [], $_SESSION);
session_abort();
same('what is stored is not touched before the close', ['a' => 1, 'b' => 2], stored('unset'));

start('unset');
session_unset();
session_write_close();
same('then it is empty as well', [], stored('unset'));
ini_set('session.use_strict_mode', '1');
start('unset');
same('but the session exists', 'unset', session_id());
session_abort();
done();
--EXPECT--
6 claims hold
