--TEST--
A process keeps no file of a store that it has left: after log-outs, deletions and many save paths
--FILE--
<?php
require __DIR__ . '/session.inc';
$directory = own_directory();
use_cloakroom($directory);

/** Descriptors on files below the directory, and mappings of such files. */
function held(string $directory): array
{
    $links = array_map(fn ($fd) => (string) @readlink("/proc/self/fd/$fd"), array_diff(scandir('/proc/self/fd'), ['.', '..']));
    $files = array_filter($links, fn ($link) => str_starts_with($link, $directory));
    $maps = array_filter(file('/proc/self/maps'), fn ($line) => str_contains($line, $directory));

    return [count($files), count($maps)];
}

put('first', ['x' => 1]);
start('first');
session_destroy();
[$files, $maps] = held($directory);
for ($i = 0; $i < 30; $i++) {
    start("visitor-$i");
    session_destroy();
}
same('thirty log-outs from an empty store later nothing else is held', [$files, $maps], held($directory));
put('stays', ['x' => 1]);
put('stays', ['x' => 2]);
[$files, $maps] = held($directory);
check('a store is attached', $files > 0 && $maps > 0);
$inode = fileinode(store_file());
for ($i = 0; $i < 30; $i++) {
    start("visitor-$i");
    session_destroy();
}
same('thirty log-outs beside another session later nothing else is held', [$files, $maps], held($directory));
clearstatcache();
same('the file is the same', $inode, fileinode(store_file()));

put('kept', ['x' => str_repeat('y', 1 << 20)]);
for ($round = 1; $round <= 3; $round++) {
    $before = held($directory);
    unlink(store_file());
    wait_until('the store is back', function (): bool {
        start('kept', ['read_and_close' => true]);
        clearstatcache();

        return file_exists(store_file());
    });
    same("after deletion $round the session is there", 1 << 20, strlen(stored('kept')['x'] ?? ''));
    put('written', ['round' => $round]);
    same("after deletion $round no more is held", $before, held($directory));
}

$below = own_directory();
for ($i = 0; $i < 30; $i++) {
    mkdir("$below/$i", 0700);
    session_save_path("$below/$i");
    put('somebody', ['i' => $i]);
}
[$most] = held($below);
check('of thirty save paths a few stay attached', $most > 0 && $most <= 2 * 9, "$most descriptors");
session_save_path("$below/0");
same('a store that was let go is attached again', ['i' => 0], stored('somebody'));
done();
--EXPECT--
12 claims hold
