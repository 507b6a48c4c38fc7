--TEST--
Nothing that others name themselves forges a line of the log: the path of a script that holds a session is shown with escapes
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

foreach (["x\nPHP Fatal error:  forged" => 'x\nPHP Fatal error:  forged', "x\r\x1b[2J\x7f" => 'x\r\u{1b}[2J\u{7f}', "x\u{202e}\u{9b}" => 'x\u{202e}\u{9b}', "x\t" => 'x\t', 'Grüße' => 'Grüße'] as $name => $shown) {
    $holder = Process::run('start("busy"); say(1); hear();', [], "$name.php");
    $holder->hear();
    $log = own_directory() . '/log';
    $process = Process::run('say(session_id("busy") . (session_start() ? "started" : "not"));', ['cloakroom.lock_wait' => '0', 'log_errors' => '1', 'error_log' => $log, 'display_errors' => '0']);
    $process->hear();
    $process->wait();
    $lines = file($log, FILE_IGNORE_NEW_LINES);
    same("$shown: two lines, PHP's and this one's", 2, count($lines));
    check("$shown: all of it is harmless", preg_match('/[\x00-\x1f\x7f]|\x{202e}|\x{9b}/u', implode('', $lines)) === 0, implode("\n", $lines));
    check("$shown: it is shown", str_contains($lines[0], "running ") && str_contains($lines[0], "$shown.php;"), $lines[0]);
    $holder->tell('end');
    $holder->wait();
}
done();
--EXPECT--
15 claims hold
