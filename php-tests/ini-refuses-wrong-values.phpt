--TEST--
Wrong values of directives are refused with a warning and the old value stays
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

$wrong = [
    'cloakroom.lock' => ['', 'Merge', 'Exclusive', 'exclusive ', 'off', '1'],
    'cloakroom.lock_wait' => ['', '-1', '1.5', 'abc', '5s', '86401', '99999999999999999999'],
    'cloakroom.max_waiters' => ['', '-1', '1.5', 'abc', '4294967296'],
    'cloakroom.grace' => ['', '-1', '1h', 'abc', '3601'],
    'cloakroom.tombstone' => ['', '-1', '1h', 'abc', '31536001'],
    'session.cloakroom_lock' => ['Merge', 'off'],
];
foreach ($wrong as $name => $values) {
    $before = ini_get($name);
    foreach ($values as $value) {
        [$set, $warnings] = with_warnings(fn () => ini_set($name, $value));
        same("$name = \"$value\" is refused", false, $set);
        matches("$name = \"$value\" is named in a warning", '/' . preg_quote($name) . '/', $warnings);
        same("$name keeps its value", $before, ini_get($name));
    }
}
same('after all that sessions work', [true, ''], start('works'));
session_abort();
done();
--EXPECT--
91 claims hold
