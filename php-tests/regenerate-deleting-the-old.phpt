--TEST--
session_regenerate_id(true) moves the session to a new id and destroys the old one
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.grace', '0');

in_both_modes(function (string $mode, bool $strict): void {
    start('');
    $old = session_id();
    $_SESSION['before'] = 1;
    session_write_close();
    start($old);
    same("$mode: it succeeds", [true, ''], with_warnings(fn () => session_regenerate_id(true)));
    $new = session_id();
    check("$mode: the id is another one", $new !== $old);
    same("$mode: the data came along", ['before' => 1], $_SESSION);
    $_SESSION['after'] = 2;
    session_write_close();

    same("$mode: the new id has all", ['before' => 1, 'after' => 2], stored($new));
    if ($strict) {
        start($old);
        check("$mode: the old id is no longer known", !in_array(session_id(), [$old, $new], true));
        session_abort();
    }
    ini_set('session.use_strict_mode', '0');
    same("$mode: the old id has nothing", [], stored($old));
    same("$mode: the new id is untouched by that", ['before' => 1, 'after' => 2], stored($new));
});
done();
--EXPECT--
13 claims hold
