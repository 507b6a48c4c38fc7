--TEST--
An id that session_regenerate_id(true) replaced is read for cloakroom.grace seconds, validates, and is not written
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

in_both_modes(function (string $mode): void {
    foreach (['exclusive', 'none'] as $lock) {
        ini_set('cloakroom.lock', $lock);
        start('');
        $old = session_id();
        $_SESSION['user'] = 'ada';
        session_write_close();

        start($old);
        $_SESSION['later'] = 'not committed under the old id';
        check("$mode, $lock: regenerates", session_regenerate_id(true));
        $new = session_id();
        session_write_close();

        same("$mode, $lock: a late request starts without a warning", [true, ''], start($old));
        same("$mode, $lock: it keeps its id", $old, session_id());
        same("$mode, $lock: it reads what was committed last", ['user' => 'ada'], $_SESSION);
        $_SESSION['user'] = 'eve';
        same("$mode, $lock: it ends without a warning", [true, ''], with_warnings(fn () => session_write_close()));
        same("$mode, $lock: it wrote nothing", ['user' => 'ada'], stored($old));
        same("$mode, $lock: nor elsewhere", ['user' => 'ada', 'later' => 'not committed under the old id'], stored($new));

        start($old);
        session_destroy();
        same("$mode, $lock: destroying ends the grace", [], stored($old));
        same("$mode, $lock: and only that", 'ada', stored($new)['user']);
    }
    ini_restore('cloakroom.lock');
});
done();
--EXPECT--
36 claims hold
