--TEST--
A save_path that cannot be written: a warning
--SKIPIF--
<?php fstat(tmpfile())['uid'] === 0 && die('skip root may write everywhere');
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

mkdir("$directory/read-only", 0500);
start_fails('unwritable', "$directory/read-only", '~/read-only/cloakroom-.*denied~is');
same('nothing is left in it', ['.', '..'], scandir("$directory/read-only"));
chmod("$directory/read-only", 0700);
same('once it is writable the same process uses it', [true, ''], start('in-trouble'));
session_abort();
done();
--EXPECT--
6 claims hold
