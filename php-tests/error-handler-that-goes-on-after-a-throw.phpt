--TEST--
A script that catches what its error handler threw from a warning of the handler goes on with sessions in order
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('memory_limit', '256M');
ini_set('cloakroom.lock_wait', '0');

$holder = Process::run('start("held"); say("holds"); hear();');
$holder->hear();
put('victim', ['x' => 'old']);

/** What a call throws where warnings become exceptions. */
function thrown(callable $call): string
{
    set_error_handler(fn (int $level, string $message) => throw new ErrorException($message));
    try {
        $call();

        return 'nothing';
    } catch (Throwable $exception) {
        return $exception->getMessage();
    } finally {
        restore_error_handler();
    }
}

$occasions = [
    'the lock is not got' => ['held', fn () => session_start(), 'is locked'],
    'an id is refused' => ['not.an.id', fn () => session_start(), 'A-Z'],
    'a write is refused' => ['victim', function (): void {
        session_start();
        $_SESSION['x'] = str_repeat('x', 17_000_000);
        session_write_close();
    }, '16777216'],
    'a write is refused while the id is regenerated' => ['victim', function (): void {
        session_start();
        $_SESSION['x'] = str_repeat('x', 17_000_000);
        session_regenerate_id(false);
    }, '16777216'],
];
foreach ($occasions as $occasion => [$id, $call, $message]) {
    session_id($id);
    matches("$occasion: the script gets the warning as an exception", "/$message/", thrown($call));
    same("$occasion: no session is active", PHP_SESSION_NONE, session_status());
    same("$occasion: another session works", [true, ''], start('another'));
    $_SESSION['occasion'] = $occasion;
    session_write_close();
    same("$occasion: and is stored", ['occasion' => $occasion], found_free('another'));
    same("$occasion: the session is free and as it was", ['x' => 'old'], found_free('victim'));
}
done();
--EXPECT--
20 claims hold
