--TEST--
A store file of random bytes is kept under another name, with a warning, and a new store is begun
--FILE--
<?php
require __DIR__ . '/process.inc';
$directory = own_directory();
use_cloakroom($directory);

foreach (['short' => 100, 'long' => 1 << 20] as $size => $bytes) {
    mkdir("$directory/$size", 0700);
    $file = store_file("$directory/$size");
    $content = "\xff" . random_bytes($bytes - 1);
    file_put_contents($file, $content);
    chmod($file, 0600);
    session_save_path("$directory/$size");
    [$started, $warnings] = start('in-trouble');
    same("$size noise: a session starts", true, $started);
    matches("$size noise: the warning names the file that is kept", '~cloakroom-\d+\.store was damaged.*kept as .*\.damaged-1~s', $warnings);
    check("$size noise: the warning does not show the id", !str_contains($warnings, 'in-trouble'));
    session_write_close();
    check("$size noise: it is kept as it was", file_get_contents("$file.damaged-1") === $content);
    put('afterwards', ['x' => 1]);
    same("$size noise: the new store works", ['x' => 1], stored('afterwards'));
    same("$size noise: and there is no second warning", [true, ''], start('in-trouble'));
    session_abort();
}
done();
--EXPECT--
12 claims hold
