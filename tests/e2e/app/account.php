<?php
/*
 * An account in short: ?deed= says what the visitor does, and the answer who is logged in and what message is shown.
 *
 *   ?handler=class    through an object of the class instead of the native handler
 *   ?mode=, ?strict=  the lock mode, strict mode
 *   ?user=            who logs in
 *   ?signal=NAME      stops with the session started, before the deed, until the test lets it go on
 */
declare(strict_types=1);

require __DIR__ . '/answer.php';

ini_set('session.use_strict_mode', $_GET['strict']);
ini_set('cloakroom.lock', $_GET['mode']);
if ($_GET['handler'] === 'class') {
    session_set_save_handler(new Cloakroom\SessionHandler());
}
$started = session_start($_GET['deed'] === 'read' ? ['read_and_close' => true] : []);
$user = $_SESSION['user'] ?? null;
$message = $_SESSION['message'] ?? null;
if (isset($_GET['signal'])) {
    announce($_GET['signal']);
    await($_GET['signal']);
}
$done = match ($_GET['deed']) {
    'read', 'look' => true,
    'log in' => (function (): bool {
        $_SESSION['user'] = $_GET['user'];

        return true;
    })(),
    'work' => (function (): bool {
        $_SESSION['user'] ??= 'somebody whose session was revived';
        $_SESSION['work'] = ($_SESSION['work'] ?? 0) + 1;

        return session_write_close();
    })(),
    'log out' => session_destroy(),
    'log out with a message' => session_destroy() && session_start() && ($_SESSION['message'] = 'Good bye') !== '',
    'change the id' => session_regenerate_id(true),
};
answer(['started' => $started, 'user' => $user, 'message' => $message, 'done' => $done]);
