--TEST--
An empty save_path means PHP's temporary directory
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
$temporary = own_directory();

putenv("TMPDIR=$temporary");
$process = Process::run('session_save_path(""); put("somewhere", ["x" => 1]); say(stored("somewhere"));');
putenv('TMPDIR');
same('sessions are kept', ['x' => 1], $process->hear());
$process->wait();
check('there', is_file(store_file($temporary)));
same('the process complained of nothing', '', $process->complaints());
done();
--EXPECT--
3 claims hold
