--TEST--
A store of a newer format is refused, named, and left as it is
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

$writer = Process::run('put("in-trouble", ["x" => 1]); say("written");');
$writer->hear();
$writer->wait();
// The format's number follows the magic number of 8 bytes.
$content = file_get_contents(store_file());
$format = unpack('V', $content, 8)[1];
$newer = substr_replace($content, pack('V', $format + 1), 8, 4);
file_put_contents(store_file(), $newer);
start_fails('newer', $directory, '~cloakroom-\d+\.store has store format ' . ($format + 1) . '\b.*format ' . $format . '\b~s');
check('the file is untouched', file_get_contents(store_file()) === $newer);
file_put_contents(store_file(), $content);
$reader = Process::run('say(stored("in-trouble"));');
same('with the number it was written with it is read', ['x' => 1], $reader->hear());
same('and the reader ends normally', 0, $reader->wait());
done();
--EXPECT--
7 claims hold
