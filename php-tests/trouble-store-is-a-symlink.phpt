--TEST--
A store file that is a symbolic link is refused and its target untouched
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

put('elsewhere', ['x' => 1]);
file_put_contents("$directory/target", 'precious');
$targets = ['a file' => "$directory/target", 'another store' => store_file(), 'nothing' => "$directory/nothing"];
foreach ($targets as $what => $target) {
    mkdir("$directory/to $what", 0700);
    symlink($target, store_file("$directory/to $what"));
    start_fails("a link to $what", "$directory/to $what", '~cloakroom-\d+\.store is a symbolic link~');
}
same('the file is untouched', 'precious', file_get_contents("$directory/target"));
check('nothing is created through a link', !file_exists("$directory/nothing"));
session_save_path($directory);
same('the store is untouched', ['x' => 1], stored('elsewhere'));
done();
--EXPECT--
15 claims hold
