--TEST--
The save_path syntax of PHP's own handler is refused with what to write instead
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

start_fails('a depth', "2;$directory", '~N;MODE;/path.*directory alone~s');
start_fails('a depth and a mode', "2;0600;$directory", '~N;MODE;/path.*directory alone~s');
done();
--EXPECT--
8 claims hold
