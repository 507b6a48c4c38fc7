--TEST--
session_destroy() ends a session for every reader at once, strict mode off and on
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

[$destroyed, $warnings] = with_warnings(session_destroy(...));
same('without a session it fails', false, $destroyed);
matches('and PHP tells why', '/uninitialized session/', $warnings);

in_both_modes(function (string $mode, bool $strict): void {
    start('');
    $id = session_id();
    $_SESSION['x'] = 1;
    session_write_close();

    start($id);
    same("$mode: the session was there", ['x' => 1], $_SESSION);
    same("$mode: it succeeds", [true, ''], with_warnings(session_destroy(...)));
    same("$mode: no session is active", PHP_SESSION_NONE, session_status());
    same("$mode: \$_SESSION can still be read", ['x' => 1], $_SESSION);

    $other = Process::run('ini_set("session.use_strict_mode", "0"); say(stored(hear()));');
    $other->tell($id);
    same("$mode: another process finds nothing", [], $other->hear());
    $other->wait();

    same("$mode: starting it again works", [true, ''], start($id));
    same("$mode: and gives an empty session", [], $_SESSION);
    // The process above read the id with strict mode off, which reserves it: so strict mode knows it again.
    session_abort();
    $strict || same("$mode: under the id that was asked for", $id, session_id());
});

ini_set('session.use_strict_mode', '1');
start('');
$id = session_id();
session_destroy();
start($id);
check('strict mode does not take a destroyed id', session_id() !== $id);
session_abort();
done();
--EXPECT--
18 claims hold
