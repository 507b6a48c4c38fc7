--TEST--
The handler can be chosen while a script runs and left again
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

put('chosen', ['x' => 1]);
same('the name', 'cloakroom', session_module_name());
same('another can be chosen', 'cloakroom', session_module_name('files'));
same('it has sessions of its own', [true, ''], start('chosen'));
same('other ones', [], $_SESSION);
session_write_close();
same('back again', 'files', session_module_name('cloakroom'));
same('the session is as it was', ['x' => 1], stored('chosen'));
done();
--EXPECT--
6 claims hold
