<?php
/*
 * Starts the session, sets the counter to ?count=, and ends the request as ?deed= says, with the session open.
 */
declare(strict_types=1);

final class ThrowsWhenStored
{
    public function __serialize(): array
    {
        throw new LogicException('from __serialize');
    }
}

ini_set('memory_limit', '64M');
session_start();
$_SESSION['count'] = (int) $_GET['count'];

/** Makes a write that is refused, and does that when its warning comes. */
function refuse(callable $then): void
{
    set_error_handler($then);
    ini_set('memory_limit', '256M');
    $_SESSION['large'] = str_repeat('x', 17_000_000);
}

match ($_GET['deed']) {
    'end' => null,
    'exit' => exit,
    'exception' => throw new LogicException('nobody catches this'),
    'fatal error' => str_repeat('x', 100_000_000),
    'time limit' => (function (): void {
        set_time_limit(1);
        while (true) {
        }
    })(),
    'error handler exits' => (function (): void {
        refuse(fn () => exit);
        session_write_close();
    })(),
    'error handler throws' => (function (): void {
        refuse(fn () => throw new LogicException('from the error handler'));
        session_write_close();
    })(),
    'error handler exits at the end' => refuse(fn () => exit),
    'error handler throws at the end' => refuse(fn () => throw new LogicException('from the error handler')),
    'cannot be encoded' => (function (): void {
        $_SESSION['object'] = new ThrowsWhenStored();
        session_write_close();
    })(),
    'cannot be encoded at the end' => $_SESSION['object'] = new ThrowsWhenStored(),
    'writes in a shutdown function' => register_shutdown_function(session_write_close(...)),
    'changes the id' => session_regenerate_id(false),
};
