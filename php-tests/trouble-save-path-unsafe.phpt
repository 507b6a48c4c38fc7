--TEST--
A save_path in which others could replace the store is refused; a sticky one is not
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

mkdir("$directory/open");
chmod("$directory/open", 0777);
start_fails('writable for all', "$directory/open", '~/open.*sticky~s');
same('nothing is left in it', ['.', '..'], scandir("$directory/open"));
chmod("$directory/open", 01733);
same('with the sticky bit it is used', [true, ''], start('in-trouble'));
$_SESSION['x'] = 1;
session_write_close();
same('and keeps sessions', ['x' => 1], stored('in-trouble'));
same('for this user only', 0600, fileperms(store_file("$directory/open")) & 0777);
same('a relative path is used, too', [true, ''], (function () use ($directory): array {
    chdir($directory);
    mkdir('relative', 0700);
    session_save_path('relative');

    return start('in-trouble');
})());
session_abort();
done();
--EXPECT--
9 claims hold
