--TEST--
A save_path that does not exist: a warning, and nothing is created
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

start_fails('missing', "$directory/missing", '~/missing.*session\.save_path must name an existing directory~s');
check('it is not created', !file_exists("$directory/missing"));
mkdir("$directory/missing", 0700);
same('once it exists the same process uses it', [true, ''], start('in-trouble'));
$_SESSION['x'] = 1;
session_write_close();
same('and keeps sessions there', ['x' => 1], stored('in-trouble'));
done();
--EXPECT--
7 claims hold
