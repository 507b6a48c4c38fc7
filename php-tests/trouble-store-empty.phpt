--TEST--
An empty store file becomes a store
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

touch(store_file());
chmod(store_file(), 0600);
same('a session starts', [true, ''], start('first'));
$_SESSION['x'] = 1;
session_write_close();
same('and is kept', ['x' => 1], stored('first'));
check('in that file', filesize(store_file()) > 0);
done();
--EXPECT--
3 claims hold
