--TEST--
A store file that was cut off: a warning, whole sessions or none, and what has no header is kept aside
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

$data = fn (int $i) => ['n' => $i, 'filling' => str_repeat(chr(65 + $i % 26), 20_000)];
$writer = Process::run(<<<'PHP'
    for ($i = 0; $i < 50; $i++) {
        put("s$i", ['n' => $i, 'filling' => str_repeat(chr(65 + $i % 26), 20_000)]);
    }
    say('written');
PHP);
$writer->hear();
$writer->wait();
$whole = file_get_contents(store_file());

foreach (['a page is' => strlen($whole) - 4096, 'half is' => intdiv(strlen($whole), 2), 'all but a page is' => 4096] as $what => $length) {
    file_put_contents(store_file(), substr($whole, 0, $length));
    $reader = Process::run(<<<'PHP'
        $found = [];
        for ($i = 0; $i < 50; $i++) {
            [$started, $warnings] = start("s$i", ['read_and_close' => true]);
            $found[] = [$started, $warnings, $_SESSION];
        }
        put('afterwards', ['x' => 1]);
        say([$found, stored('afterwards')]);
    PHP);
    [$found, $afterwards] = $reader->hear();
    matches("$what missing: the first request is warned", '/shorter than it says/', $found[0][1]);
    $wrong = array_filter($found, fn (array $one, int $i) => !in_array($one[2], [$data($i), []], true), ARRAY_FILTER_USE_BOTH);
    same("$what missing: every session is whole or gone", [], $wrong);
    same("$what missing: the store works", ['x' => 1], $afterwards);
    $reader->wait();
}
foreach ([1000, 10] as $length) {
    array_map(unlink(...), glob(store_file() . '*'));
    file_put_contents(store_file(), substr($whole, 0, $length));
    chmod(store_file(), 0600);
    $reader = Process::run('say(start("s1"));');
    [$started, $warnings] = $reader->hear();
    same("$length bytes are left: a session starts in a new store", true, $started);
    matches("$length bytes are left: with a warning", '~cloakroom-\d+\.store was damaged.*kept as .*\.damaged-1~s', $warnings);
    $reader->wait();
    same("$length bytes are left: they are kept as they were", substr($whole, 0, $length), file_get_contents(store_file() . '.damaged-1'));
}
done();
--EXPECT--
15 claims hold
