--TEST--
A process whose store file is deleted again and again, also between two of its requests, takes the sessions along
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('before', ['x' => 1]);
for ($round = 1; $round <= 3; $round++) {
    unlink(store_file());
    $warned = '';
    wait_until("the deletion $round was noticed", function () use (&$warned): bool {
        [, $warnings] = start('meeting');
        $warned .= $warnings;
        session_write_close();

        return str_contains($warned, 'was deleted while in use');
    });
    unlink(store_file());
    start('before', ['read_and_close' => true]);
    same("after deletion $round and another one at once", ['x' => 1], $_SESSION);
}
check('a file is there', is_file(store_file()));
done();
--EXPECT--
4 claims hold
