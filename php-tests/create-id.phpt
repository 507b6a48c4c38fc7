--TEST--
session_create_id() makes valid ids with a prefix and leaves sessions alone
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

in_both_modes(function (string $mode): void {
    session_id('');
    $ids = array_map(fn () => session_create_id(), range(1, 500));
    same("$mode: 500 ids are 500 different ones", 500, count(array_unique($ids)));
    same("$mode: all are valid", [], preg_grep('/^[0-9a-v]{32}$/', $ids, PREG_GREP_INVERT));
    matches("$mode: a prefix comes first", '/^user-7,[0-9a-v]{32}$/', session_create_id('user-7,'));

    start('');
    $own = session_id();
    $_SESSION['x'] = 1;
    $ids = array_map(fn () => session_create_id('p'), range(1, 500));
    same("$mode: inside a session, 500 ids are 500 different ones", 500, count(array_unique([...$ids, $own])) - 1);
    same("$mode: the session keeps its id", $own, session_id());
    session_write_close();
    same("$mode: and its data", ['x' => 1], stored($own));
});

[$id, $warnings] = with_warnings(fn () => session_create_id('bad prefix!'));
same('a prefix with forbidden characters is refused', false, $id);
matches('with a warning', '/special characters/', $warnings);
done();
--EXPECT--
14 claims hold
