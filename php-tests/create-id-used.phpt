--TEST--
An id from session_create_id() can be given to session_id() and used
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

$id = session_create_id('mine-');
same('it starts silently', [true, ''], start($id));
same('under that id', $id, session_id());
$_SESSION['x'] = 1;
session_write_close();
same('and keeps data', ['x' => 1], stored($id));

ini_set('session.use_strict_mode', '1');
start($id);
same('strict mode knows it from then on', $id, session_id());
session_abort();
$unused = session_create_id('mine-');
start($unused);
check('an id that was made but never used is unknown to strict mode', session_id() !== $unused);
session_abort();
done();
--EXPECT--
5 claims hold
