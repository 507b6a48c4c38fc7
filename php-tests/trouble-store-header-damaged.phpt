--TEST--
A store whose header is damaged is kept aside and its sessions go on in a new file
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$writer = Process::run('for ($i = 0; $i < 20; $i++) { put("s$i", ["n" => $i]); } say("written");');
$writer->hear();
$writer->wait();
$damaged = substr_replace(file_get_contents(store_file()), str_repeat("\0", 16), 0, 16);
file_put_contents(store_file(), $damaged);
[$started, $warnings] = start('s3');
same('a session starts', true, $started);
matches('with a warning', '~cloakroom-\d+\.store was damaged.*kept as .*\.damaged-1\b.*20 sessions was carried over~s', $warnings);
same('and has its data', ['n' => 3], $_SESSION);
session_write_close();
$other = array_filter(range(0, 19), fn (int $i) => stored("s$i") !== ['n' => $i]);
same('so have all others', [], $other);
check('the damaged file is kept as it was', file_get_contents(store_file() . '.damaged-1') === $damaged);
done();
--EXPECT--
5 claims hold
