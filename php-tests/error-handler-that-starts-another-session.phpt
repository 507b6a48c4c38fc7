--TEST--
An error handler that destroys the session and starts another one from a warning of the handler harms no third one
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$too_large = '$_SESSION["x"] = str_repeat("x", 17_000_000);';
$occasions = [
    'the lock is not got' => 'ini_set("cloakroom.lock_wait", "0"); session_id("held"); session_start();',
    'an id is refused' => 'session_id("not.an.id"); session_start();',
    'the store is not there' => '$path = session_save_path(); ini_set("session.save_path", "/nowhere"); session_id("victim"); session_start(); ini_set("session.save_path", $path);',
    'a write is refused' => "session_id('victim'); session_start(); $too_large session_write_close();",
    'a write is refused while the id is regenerated' => "session_id('victim'); session_start(); $too_large session_regenerate_id(false);",
    'a write is refused at the end' => "session_id('victim'); session_start(); $too_large",
];
$reactions = [
    'aborts and starts another' => 'session_abort(); session_id("other"); session_start(); $_SESSION["by"] = "handler";',
    'destroys and starts another' => 'session_destroy(); session_id("other"); session_start(); $_SESSION["by"] = "handler";',
    'aborts and completes another' => 'session_abort(); put("other", ["by" => "handler"]);',
    'aborts and reads another' => 'session_abort(); session_id("other"); session_start(["read_and_close" => true]);',
    'writes' => 'session_write_close();',
    'resets' => 'session_reset();',
    'regenerates the id' => 'session_regenerate_id(true);',
    'asks for the status' => 'Cloakroom\status();',
];
put('held', ['x' => 'held']);
$holder = Process::run('start("held"); say("holds"); hear(); session_abort();');
$holder->hear();
foreach ($reactions as $reaction => $code) {
    foreach ($occasions as $occasion => $trouble) {
        put('other', ['x' => 'other']);
        put('victim', ['x' => 'old']);
        $process = Process::run(<<<PHP
            ini_set('memory_limit', '256M');
            \$busy = false;
            set_error_handler(function (int \$level, string \$message) use (&\$busy): bool {
                if (!\$busy && str_contains(\$message, 'Cloakroom')) {
                    \$busy = true;
                    file_put_contents(__DIR__ . '/called', 'x', FILE_APPEND);
                    $code
                    \$busy = false;
                }
                return true;
            });
            try {
                $trouble
            } catch (Error \$error) {
                // PHP's own way to say that a session which vanished under it cannot go on.
            }
            \$busy = true;
            session_abort();
            put('afterwards', ['works' => true]);
            put('victim-of-the-end', ['x' => 'old']);
            session_id('victim-of-the-end');
            session_start();
            $too_large
            \$busy = false;
        PHP);
        $what = "it $reaction when $occasion";
        same("$what: the process ends normally", 0, $process->wait());
        matches("$what: the error handler was called", '/^x+$/', $process->file('called'));
        same("$what: sessions work afterwards", ['works' => true], found_free('afterwards'));
        $victim = found_free('victim');
        check("$what: the session is free, as it was or destroyed", $victim === ['x' => 'old'] || $victim === [], fn () => shown($victim));
        $other = found_free('other');
        check("$what: the other session is free and whole", in_array($other, [['x' => 'other'], ['x' => 'other', 'by' => 'handler'], ['by' => 'handler']], true), fn () => shown($other));
        check("$what: a write that fails at the end leaves its session free", is_array(found_free('victim-of-the-end')));
    }
}
$holder->tell('end');
$holder->wait();
check('the session that was held is free', is_array(found_free('held')));
done();
--EXPECT--
289 claims hold
