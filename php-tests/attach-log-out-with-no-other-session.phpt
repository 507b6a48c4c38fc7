--TEST--
A log-out holds where no other session exists: what had read before it writes nothing
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom($directory = own_directory());

foreach ([false, true] as $another) {
    $where = $another ? 'beside another session' : 'in an empty store';
    $path = own_directory();
    [$reader, $leaver, $later] = array_map(fn () => new Cloakroom\SessionHandler($path, 'merge'), range(1, 3));
    if ($another) {
        $leaver->write('another', 'u|s:3:"bob";');
    }
    $leaver->write('id', 'u|s:5:"alice";');
    $reader->read('id');
    $leaver->destroy('id');
    with_warnings(fn () => $reader->write('id', 'u|s:5:"alice";n|i:2;'));
    same("$where: the login stays ended", '', $later->read('id'));
}
done();
--EXPECT--
2 claims hold
