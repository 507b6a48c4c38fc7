--TEST--
Payloads may hold any bytes
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

$texts = [
    'NUL bytes' => "a\0b\0\0c\0",
    'all byte values' => implode(array_map(chr(...), range(0, 255))),
    'only NUL bytes' => str_repeat("\0", 10_000),
    'separators of the formats' => "|;:{}\"'!\n\r\x7f",
    'random bytes' => random_bytes(100_000),
];
foreach ($texts as $what => $text) {
    put('bytes', ['before' => 1, 'text' => $text, 'after' => 2]);
    same($what, ['before' => 1, 'text' => $text, 'after' => 2], stored('bytes'));
}
done();
--EXPECT--
5 claims hold
