--TEST--
A save_path of another user, who could replace the store, is refused
--SKIPIF--
<?php fstat(tmpfile())['uid'] === 0 || die('skip only root can give a directory to somebody else');
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

mkdir("$directory/foreign", 0755);
chown("$directory/foreign", 65534);
start_fails('foreign', "$directory/foreign", '~/foreign belongs to user 65534~');
same('nothing is left in it', ['.', '..'], scandir("$directory/foreign"));
done();
--EXPECT--
5 claims hold
