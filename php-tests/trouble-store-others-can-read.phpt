--TEST--
A store file that others can read is refused
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

$writer = Process::run('put("in-trouble", ["x" => 1]); say("written");');
$writer->hear();
$writer->wait();
chmod(store_file(), 0644);
start_fails('mode 0644', $directory, '~cloakroom-\d+\.store has mode 0644.*chmod 0600~s');
chmod(store_file(), 0600);
same('with the right mode it is used again', [true, ''], start('in-trouble'));
same('with its data', ['x' => 1], $_SESSION);
session_abort();
done();
--EXPECT--
6 claims hold
