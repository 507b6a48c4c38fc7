--TEST--
session_regenerate_id(false) copies the session to a new id and leaves the old one live
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

in_both_modes(function (string $mode): void {
    start('');
    $old = session_id();
    $_SESSION['before'] = 1;
    same("$mode: it succeeds", [true, ''], with_warnings(fn () => session_regenerate_id(false)));
    $new = session_id();
    check("$mode: the id is another one", $new !== $old);
    same("$mode: the data came along", ['before' => 1], $_SESSION);
    $_SESSION['after'] = 2;
    session_write_close();

    same("$mode: the new id has all", ['before' => 1, 'after' => 2], stored($new));
    same("$mode: the old id has what it had", ['before' => 1], stored($old));
    start($old);
    same("$mode: the old id can be used", $old, session_id());
    $_SESSION['more'] = 3;
    session_write_close();
    same("$mode: and written", ['before' => 1, 'more' => 3], stored($old));
    same("$mode: apart from the new one", ['before' => 1, 'after' => 2], stored($new));
});

[$regenerated, $warnings] = with_warnings(fn () => session_regenerate_id());
same('without a session it fails', false, $regenerated);
matches('and PHP tells why', '/no active session/', $warnings);
done();
--EXPECT--
18 claims hold
