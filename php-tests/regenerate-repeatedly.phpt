--TEST--
session_regenerate_id() can be called many times in one session
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

foreach ([false, true] as $delete) {
    $words = $delete ? 'deleting' : 'keeping';
    start('');
    $_SESSION['x'] = $words;
    $ids = [session_id()];
    for ($time = 0; $time < 50; $time++) {
        session_regenerate_id($delete) || print("FAILED: $words: could not regenerate\n");
        $ids[] = session_id();
    }
    session_write_close();
    same("$words: every id is new", 51, count(array_unique($ids)));
    same("$words: which ids have the data", $delete ? 1 : 51, count(array_filter($ids, fn (string $id) => stored($id) === ['x' => $words])));
}
done();
--EXPECT--
4 claims hold
