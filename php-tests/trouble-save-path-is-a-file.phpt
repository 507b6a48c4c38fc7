--TEST--
A save_path that is a file: a warning, and the file is untouched
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

file_put_contents("$directory/file", 'precious');
start_fails('a file', "$directory/file", '~/file.*directory~s');
same('the file is untouched', 'precious', file_get_contents("$directory/file"));
done();
--EXPECT--
5 claims hold
