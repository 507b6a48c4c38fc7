--TEST--
A save_path that is a symbolic link to a directory is that directory
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

mkdir("$directory/real", 0700);
symlink("$directory/real", "$directory/link");
session_save_path("$directory/real");
put('shared', ['x' => 1]);
session_save_path("$directory/link");
same('it has the same sessions', ['x' => 1], stored('shared'));
start('shared');
$other = Process::run('ini_set("cloakroom.lock_wait", "0"); session_save_path(hear()); say(start("shared")[0]);');
$other->tell("$directory/real");
same('and the same locks', false, $other->hear());
session_abort();
same('there is one store', [store_file("$directory/real")], array_unique(array_map(realpath(...), glob("$directory/*/*.store"))));

symlink("$directory/nowhere", "$directory/dangling");
start_fails('a link to nothing', "$directory/dangling", '~/dangling.*existing directory~s');
done();
--EXPECT--
7 claims hold
