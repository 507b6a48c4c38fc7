--TEST--
Payloads of every size up to 16 MiB come back whole, grown and shrunk
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());
ini_set('memory_limit', '512M');
const LIMIT = 16 << 20;

/** Session data whose encoded form has exactly so many bytes. */
function data_of(int $bytes): array
{
    if ($bytes === 0) {
        return [];
    }
    // x|s:LENGTH:"..."; around the text
    for ($length = max(0, $bytes - 20); $length <= $bytes; $length++) {
        if (strlen('x|s::"";') + strlen((string) $length) + $length === $bytes) {
            // Neighbouring bytes differ and no block of it is like another.
            $text = implode(array_map(fn (int $i) => hash('xxh64', "$bytes/$i", true), range(0, intdiv($length, 8))));

            return ['x' => substr($text, 0, $length)];
        }
    }
    exit("no text gives $bytes bytes\n");
}

$sizes = [0, 9, 63, 64, 65, 255, 1000, 4095, 4096, 4097, 8192, 65535, 65536, 65537, 1 << 20, 5_000_000, LIMIT - 1, LIMIT];
$wrong = [];
foreach ($sizes as $number => $size) {
    put("size$number", data_of($size));
}
foreach ($sizes as $number => $size) {
    stored("size$number") === data_of($size) || $wrong[] = $size;
}
same('sessions of all sizes side by side', [], $wrong);

foreach (['growing' => $sizes, 'shrinking' => array_reverse($sizes)] as $way => $order) {
    $wrong = [];
    foreach ($order as $size) {
        put('one', data_of($size));
        stored('one') === data_of($size) || $wrong[] = $size;
    }
    same("one session, $way", [], $wrong);
}

put('one', []);
start('one');
session_decode('x|s:0:"";');
session_write_close();
same('an empty value', ['x' => ''], stored('one'));
done();
--EXPECT--
4 claims hold
