--TEST--
Ids with forbidden characters, too long ones and ones with a NUL reach no session
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

$bad = [
    'a dot' => 'a.b',
    'a slash' => 'a/b',
    'dots and slashes' => '../../../etc/passwd',
    'an underscore' => 'a_b',
    'an umlaut' => "\u{e4}bc",
    'a byte above 127' => "abc\xff",
    'a control character' => "abc\x01",
    'a NUL in the middle' => "abc\0def",
    'a NUL at the end' => "abc\0",
    '257 characters' => str_repeat('a', 257),
    '10,000 characters' => str_repeat('a', 10000),
    'a percent sign' => 'a%00b',
];
put('bystander', ['x' => 1]);
put('abc', ['x' => 2]);
foreach ($bad as $what => $id) {
    ini_set('session.use_strict_mode', '0');
    [$started, $warnings] = start($id);
    same("$what: without strict mode the start fails", false, $started);
    matches("$what: with a warning that tells which ids are valid", '/\bA-Z\b.*\ba-z\b.*\b0-9\b|\b256\b/', $warnings);
    check("$what: which does not repeat the id", !str_contains($warnings, $id));

    ini_set('session.use_strict_mode', '1');
    same("$what: strict mode takes another id", [true, ''], start($id));
    matches("$what: a proper one", '/^[0-9a-v]{32}$/', session_id());
    same("$what: without data", [], $_SESSION);
    session_abort();
}
ini_set('session.use_strict_mode', '0');
same('other sessions are untouched', [['x' => 1], ['x' => 2]], [stored('bystander'), stored('abc')]);
done();
--EXPECT--
73 claims hold
