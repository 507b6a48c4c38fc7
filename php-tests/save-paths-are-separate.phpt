--TEST--
Sessions in different directories never meet, also within one request
--FILE--
<?php
require __DIR__ . '/session.inc';
$first = own_directory();
$second = own_directory();

use_cloakroom($first);
put('same-id', ['in' => 'first']);
session_save_path($second);
same('another directory has another session', [], stored('same-id'));
put('same-id', ['in' => 'second']);
session_save_path($first);
same('the first is as it was', ['in' => 'first'], stored('same-id'));
session_save_path($second);
same('the second, too', ['in' => 'second'], stored('same-id'));
check('each directory has its own store', is_file(store_file($first)) && is_file(store_file($second)));
session_save_path("$first/.");
same('another name of the same directory is the same store', ['in' => 'first'], stored('same-id'));
done();
--EXPECT--
5 claims hold
