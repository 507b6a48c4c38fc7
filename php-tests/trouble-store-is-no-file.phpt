--TEST--
A store file that is a directory or a pipe is refused without waiting
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

mkdir("$directory/one", 0700);
mkdir(store_file("$directory/one"), 0700);
start_fails('a directory', "$directory/one", '~cloakroom-\d+\.store is a directory~');
mkdir("$directory/two", 0700);
exec('mkfifo -m 600 ' . escapeshellarg(store_file("$directory/two")));
start_fails('a pipe', "$directory/two", '~cloakroom-\d+\.store is a pipe~');
done();
--EXPECT--
8 claims hold
