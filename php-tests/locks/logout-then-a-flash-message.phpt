--TEST--
session_destroy(), session_start() and a flash message in one request, with every handler, in every lock mode
--FILE--
<?php
require __DIR__ . '/handlers_and_modes.inc';

in_every_handler_and_mode(own_directory(), function (string $where, string $kind): void {
    foreach (['1', '0'] as $strict) {
        ini_set('session.use_strict_mode', $strict);
        $case = "$where, strict mode " . ($strict ? 'on' : 'off');
        $id = made(['user' => 'ada']);

        start($id);
        session_destroy();
        same("$case: a session begins in the request that ended one", [true, ''], start($id));
        $next = session_id();
        same("$case: with nothing of the old one", [], $_SESSION);
        // A subclass of PHP's own class is not asked by strict mode.
        $refuses = $strict === '1' && $kind !== 'SessionHandler';
        same("$case: strict mode decides about the id", $refuses, $next !== $id);
        $_SESSION['flash'] = 'You have logged out.';
        same("$case: it ends well", [true, ''], with_warnings(session_write_close(...)));
        same("$case: the next request shows the message", [[true, ''], ['flash' => 'You have logged out.']], [start($next), $_SESSION]);
        unset($_SESSION['flash']);
        $_SESSION['user'] = 'bob';
        session_write_close();
        same("$case: and somebody can log in", ['user' => 'bob'], stored($next));
    }
    ini_set('session.use_strict_mode', '0');
});
done();
--EXPECT--
144 claims hold
