--TEST--
Sessions stay when every process that used the store has ended, also by SIGKILL
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$writer = Process::run('put("ended", ["x" => 1]); say("written");');
$writer->hear();
same('the first process ends', 0, $writer->wait());
$killed = Process::run('put("killed", stored("ended") + ["y" => 2]); say("written"); start("another"); hear();');
$killed->hear();
$killed->signal(Process::KILL);
$killed->wait();
$reader = Process::run('say([stored("ended"), stored("killed")]); say(start("another"));');
same('a third finds what both stored', [['x' => 1], ['x' => 1, 'y' => 2]], $reader->hear());
same('and no lock is left', [true, ''], $reader->hear());
done();
--EXPECT--
3 claims hold
