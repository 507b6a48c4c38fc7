--TEST--
An error handler that ends the script from a warning of the handler leaves sessions whole and unlocked
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

// What the error handler of the process does, and by what it is called.
$deeds = [
    'exits' => 'exit(9);',
    'throws' => 'throw new ErrorException("from the error handler");',
    'raises a fatal error' => 'trigger_error("fatal", E_USER_ERROR);',
    'reaches memory_limit' => 'ini_set("memory_limit", "8M"); $x = str_repeat("x", 12_000_000);',
];
$too_large = '$_SESSION["x"] = str_repeat("x", 17_000_000);';
$occasions = [
    'the lock is not got' => 'ini_set("cloakroom.lock_wait", "0"); session_id("held"); session_start();',
    'an id is refused' => 'session_id("not.an.id"); session_start();',
    'the store is not there' => 'ini_set("session.save_path", __DIR__ . "/missing"); session_id("victim"); session_start();',
    'a write is refused' => "session_id('victim'); session_start(); $too_large session_write_close();",
    'a write is refused at the end' => "session_id('victim'); session_start(); $too_large",
    'a write is refused in a shutdown function' => "session_id('victim'); session_start(); $too_large register_shutdown_function(session_write_close(...));",
    'a write is refused while the id is regenerated' => "session_id('victim'); session_start(); $too_large session_regenerate_id(false);",
];
put('held', ['x' => 'held']);
put('victim', ['x' => 'old']);
start('held');
foreach ($deeds as $deed => $code) {
    foreach ($occasions as $occasion => $trouble) {
        $process = Process::run(<<<PHP
            ini_set('memory_limit', '256M');
            set_error_handler(function (int \$level, string \$message): bool {
                if (str_contains(\$message, 'Cloakroom')) {
                    file_put_contents(__DIR__ . '/called', 'x', FILE_APPEND);
                    $code
                }
                return false;
            });
            $trouble
        PHP);
        $process->wait();
        same("it $deed when $occasion: the error handler was called once", 'x', $process->file('called'));
        same("it $deed when $occasion: the session is free and as it was", ['x' => 'old'], found_free('victim'));
    }
}
session_write_close();
same('the other session is free and as it was', ['x' => 'held'], found_free('held'));
done();
--EXPECT--
57 claims hold
