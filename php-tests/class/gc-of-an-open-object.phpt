--TEST--
gc() called by the script collects all that has expired, also on an object that is open
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());

$brief = new Cloakroom\SessionHandler(lifetime: 1);
foreach (range(1, 40) as $number) {
    $brief->write("brief$number", 'x');
}
$written = time();
wait_until('the lifetime was over', fn () => time() > $written + 2);
$handler = new Cloakroom\SessionHandler();
$handler->open(session_save_path(), '');
same('all are counted', 40, $handler->gc(1));
same('once', 0, $handler->gc(1));
done();
--EXPECT--
2 claims hold
