--TEST--
An error handler that is called for a warning of the handler may use sessions itself
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '0');

$holder = Process::run('start("held"); say("holds"); hear();');
$holder->hear();

$calls = 0;
set_error_handler(function (int $level, string $message) use (&$calls): bool {
    $calls++;
    if ($calls === 1) {
        @session_abort();
        @session_destroy();
        @session_write_close();
        Cloakroom\status();
        @session_start(['read_and_close' => true]);
    }

    return true;
});
session_id('held');
same('the start fails', false, @session_start());
restore_error_handler();
check('the handler was called', $calls > 0);
same('other sessions work afterwards', [true, ''], start('another'));
session_abort();

set_error_handler(fn (int $level, string $message) => throw new ErrorException($message));
try {
    session_id('held');
    session_start();
    $thrown = 'nothing';
} catch (ErrorException $exception) {
    $thrown = $exception->getMessage();
} finally {
    restore_error_handler();
}
matches('a handler that throws ends the start with its exception', '/is locked/', $thrown);
same('other sessions work afterwards, too', [true, ''], start('another'));
session_abort();
done();
--EXPECT--
5 claims hold
