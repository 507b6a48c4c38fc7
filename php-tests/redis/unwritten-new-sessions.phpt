--TEST--
A session of a new id that is ended without having been written leaves nothing on the server; any other end is remembered
--SKIPIF--
<?php getenv('CLOAKROOM_TEST_SERVER') || die('skip no server: scripts/run-phpt --redis has one');
--FILE--
<?php
require __DIR__ . '/server.inc';
use_cloakroom(own_directory());

/** What is left of sessions: the endings of the names, empty for a session itself. */
function left(): array
{
    $endings = [];
    foreach (names_on_server() as $name) {
        if (preg_match('/}(.*)$/', $name, $found)) {
            $endings[] = $found[1];
        }
    }
    sort($endings);

    return $endings;
}

function forget(): void
{
    foreach (names_on_server() as $name) {
        ask_server('DEL', $name);
    }
}

foreach (['exclusive', 'merge', 'none'] as $lock) {
    ini_set('cloakroom.lock', $lock);
    in_both_modes(function (string $mode, bool $strict) use ($lock): void {
        $mode = "$lock, $mode";
        session_start();
        same("$mode: a new session is ended", true, session_destroy());
        same("$mode: nothing is left", [], left());

        session_start();
        session_regenerate_id(true);
        $_SESSION['x'] = 'payload';
        session_write_close();
        same("$mode: of a new id that was replaced, neither", [''], left());
        session_start();
        session_destroy();
        same("$mode: the end of what was written is remembered", [':t'], left());
        forget();

        if (!$strict) {
            start('known-before');
            session_destroy();
            same("$mode: so is that of an id which the client named", [':t'], left());
            forget();
        }
    });
}
done();
--EXPECT--
27 claims hold
