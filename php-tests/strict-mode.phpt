--TEST--
Strict mode replaces ids that no session has; without it they are adopted
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

same('off: an unknown id starts', [true, ''], start('unknown'));
same('off: it is adopted', 'unknown', session_id());
session_write_close();

ini_set('session.use_strict_mode', '1');
same('on: an unknown id starts', [true, ''], start('made-up'));
check('on: it is replaced', session_id() !== 'made-up');
matches('on: by a proper one', '/^[0-9a-v]{32}$/', session_id());
$fresh = session_id();
session_write_close();
start($fresh);
same('on: a session that was started is known, even empty', $fresh, session_id());
session_write_close();
start('unknown');
same('on: one that was adopted before is known', 'unknown', session_id());
session_write_close();
ini_set('session.use_strict_mode', '0');
same('the id that was replaced has no data', [], stored('made-up'));
done();
--EXPECT--
8 claims hold
