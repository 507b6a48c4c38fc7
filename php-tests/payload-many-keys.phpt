--TEST--
Sessions with many keys and deep nesting come back whole
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

$many = [];
for ($i = 0; $i < 20_000; $i++) {
    $many["key$i"] = ['number' => $i, 'text' => str_repeat(chr(97 + $i % 26), $i % 50)];
}
put('many', $many);
check('20,000 keys', stored('many') === $many);

$deep = 'bottom';
for ($i = 0; $i < 500; $i++) {
    $deep = [$i => $deep];
}
put('deep', ['deep' => $deep]);
check('500 levels', stored('deep') === ['deep' => $deep]);

start('many');
$_SESSION = array_slice($_SESSION, 100, 3);
session_write_close();
same('what was removed is gone', ['key100', 'key101', 'key102'], array_keys(stored('many')));
done();
--EXPECT--
3 claims hold
