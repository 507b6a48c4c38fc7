--TEST--
session_start() takes session settings as options
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());
// PHP 8.4 calls the shape of ids deprecated, and still obeys it.
error_reporting(E_ALL & ~E_DEPRECATED);

same('options are accepted', [true, ''], start('', [
    'name' => 'OTHER',
    'sid_length' => '48',
    'sid_bits_per_character' => '4',
    'serialize_handler' => 'php_serialize',
    'gc_maxlifetime' => '2',
]));
same('name', 'OTHER', session_name());
matches('sid_length and sid_bits_per_character', '/^[0-9a-f]{48}$/', session_id());
$_SESSION['x'] = [1];
same('serialize_handler', serialize(['x' => [1]]), session_encode());
$id = session_id();
session_write_close();
same('the data can be read at first', ['x' => [1]], stored($id));
$written = time();
wait_until('the lifetime was over', fn () => time() > $written + 3);
same('gc_maxlifetime decides when it ends', [], stored($id));

[$started, $warnings] = with_warnings(fn () => session_start(['no_such_option' => '1']));
matches('an unknown option is named', '/no_such_option/', $warnings);
session_abort();

put('short', ['x' => 1]);
start('short', ['read_and_close' => true]);
same('read_and_close leaves no active session', PHP_SESSION_NONE, session_status());
start('short', ['read_and_close' => false]);
same('read_and_close can be false', PHP_SESSION_ACTIVE, session_status());
session_abort();
done();
--EXPECT--
9 claims hold
