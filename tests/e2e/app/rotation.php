<?php
/*
 * A visitor whose session gets other ids. ?deed= says what the request does; the answer says who was logged in and what
 * was in the cart when the session started, and whether the request got another id.
 *
 *   ?handler=class    through an object of the class instead of the native handler
 *   ?mode=, ?strict=  the lock mode, strict mode
 *   ?at=ADDRESS       the session.save_path, where it is not the site's
 *   ?item=NAME        what is put into the cart
 *   ?signal=NAME      a log-out tells in NAME.held that its session has started, and lets NAME-called go on when its calls are
 *                     made; a request that is to be killed stops there with its new id
 *   ?after=NAME       waits, with the session started, until NAME may go on
 */
declare(strict_types=1);

require __DIR__ . '/answer.php';

ini_set('session.use_strict_mode', $_GET['strict']);
ini_set('cloakroom.lock', $_GET['mode']);
// Longer than a busy machine takes to come back with an old cookie.
ini_set('cloakroom.grace', '120');
if (isset($_GET['at'])) {
    ini_set('session.save_path', $_GET['at']);
}
if ($_GET['handler'] === 'class') {
    session_set_save_handler(new Cloakroom\SessionHandler());
}

/** What an application does besides its session: 20 to 50 ms. */
function work(): void
{
    usleep(random_int(20_000, 50_000));
}

function put_into_cart(): bool
{
    $_SESSION['cart'][$_GET['item']] = true;

    return true;
}

/** The calls of a log-out, with work before and after them. */
function log_out(callable $calls): bool
{
    announce($_GET['signal']);
    work();
    $done = $calls();
    touch(signal_path("{$_GET['signal']}-called") . '.go');
    work();

    return $done;
}

$log_out_of_yii = fn () => session_regenerate_id(true) && session_unset() && session_destroy();
$deeds = [
    'read' => fn () => true,
    'look' => fn () => true,
    'put' => fn () => put_into_cart(),
    'put and rotate' => fn () => put_into_cart() && session_regenerate_id(true),
    'rotate and put' => fn () => session_regenerate_id(true) && put_into_cart(),
    'rotate' => fn () => session_regenerate_id(true),
    'log in' => function (): bool {
        $done = session_regenerate_id(true);
        $_SESSION['user'] = $_GET['user'];

        return $done;
    },
    'log out as Yii2' => fn () => log_out($log_out_of_yii),
    'log out as Yii2 and clear the cookie' => fn () => log_out(
        fn () => $log_out_of_yii() && setcookie(session_name(), '', time() - 42000, '/'),
    ),
    'log out as CakePHP' => fn () => log_out(function (): bool {
        unset($_SESSION['user']);

        return session_regenerate_id(true);
    }),
    'log out as CodeIgniter' => fn () => log_out(function (): bool {
        $done = session_regenerate_id(true);
        unset($_SESSION['user'], $_SESSION['cart']);

        return $done;
    }),
    'rotate and be killed' => function (): bool {
        unset($_SESSION['user']);
        $done = session_regenerate_id(true);
        announce($_GET['signal']);
        await($_GET['signal']);

        return $done;
    },
];

$started = session_start($_GET['deed'] === 'read' ? ['read_and_close' => true] : []);
$id = session_id();
$user = $_SESSION['user'] ?? null;
$cart = array_keys($_SESSION['cart'] ?? []);
if (isset($_GET['after'])) {
    await($_GET['after']);
}
$done = $deeds[$_GET['deed']]();
answer([
    'started' => $started,
    'user' => $user,
    'cart' => $cart,
    'done' => $done,
    'rotated' => session_id() !== $id,
]);
