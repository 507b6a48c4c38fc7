--TEST--
create_sid() draws ids as the settings say, with and without a store
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());

$handler = new Cloakroom\SessionHandler();
$ids = array_map(fn () => $handler->create_sid(), range(1, 200));
same('200 ids are 200 different ones', 200, count(array_unique($ids)));
same('all look as PHP\'s own', [], preg_grep('/^[0-9a-f]{32}$/', $ids, PREG_GREP_INVERT));
check('no store was made for that', !file_exists(store_file()));
// PHP 8.4 calls the shape of ids deprecated, and still obeys it.
error_reporting(E_ALL & ~E_DEPRECATED);
ini_set('session.sid_length', '48');
ini_set('session.sid_bits_per_character', '6');
matches('the settings count', '/^[0-9A-Za-z,-]{48}$/', $handler->create_sid());
same('an object with a store draws one that is free', false, $handler->validateId($handler->create_sid()));
$handler->open(session_save_path(), 'PHPSESSID');
same('so does one that is open', false, $handler->validateId($handler->create_sid()));
$handler->close();
same('an unusable store keeps nobody from drawing', 48, strlen((new Cloakroom\SessionHandler('/dev/null/none'))->create_sid()));
[$valid, $warnings] = with_warnings(fn () => (new Cloakroom\SessionHandler('/dev/null/none'))->validateId('id'));
same('nor does it prove that an id is unknown', [true, true], [$valid, $warnings !== '']);
done();
--EXPECT--
8 claims hold
