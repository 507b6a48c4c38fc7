--TEST--
A store file of random bytes is refused and left as it is
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

foreach (['short' => 100, 'long' => 1 << 20] as $size => $bytes) {
    mkdir("$directory/$size", 0700);
    $file = store_file("$directory/$size");
    $content = "\xff" . random_bytes($bytes - 1);
    file_put_contents($file, $content);
    chmod($file, 0600);
    start_fails("$size noise", "$directory/$size", '~cloakroom-\d+\.store is not a Cloakroom store.*move it away~s');
    check("$size noise: the file is untouched", file_get_contents($file) === $content);
    rename($file, "$file.away");
    same("$size noise: once it is away the same process makes a new store", [true, ''], start('fresh'));
    session_abort();
}
done();
--EXPECT--
12 claims hold
