--TEST--
A request with an id that was replaced sends no cookie, however often it starts its session, and whatever it does
--SKIPIF--
<?php is_executable((string) getenv('TEST_PHP_CGI_EXECUTABLE')) || die('skip php-cgi is not installed');
--FILE--
<?php
require __DIR__ . '/cgi.inc';
use_cloakroom(own_directory());

$deeds = [
    'starts' => '',
    'starts twice' => 'session_write_close(); session_start();',
    'reads, and starts' => 'session_write_close(); session_start(["read_and_close" => true]); session_start();',
    'asks for another id' => 'session_regenerate_id(true);',
    'asks for another id and keeps the old one' => 'session_regenerate_id(false);',
    'writes and starts again' => '$_SESSION["y"] = 1; session_write_close(); session_start();',
];
foreach (['strict mode off' => '0', 'strict mode on' => '1'] as $mode => $strict) {
    foreach (['exclusive', 'merge'] as $lock) {
        $ini = ['session.use_strict_mode' => $strict, 'cloakroom.lock' => $lock];
        [, $old] = request('session_start(); $_SESSION["x"] = 1; echo session_id();', '', $ini);
        request('session_start(); session_regenerate_id(true);', "PHPSESSID=$old", $ini);
        foreach ($deeds as $what => $code) {
            [$headers, $found] = request("session_start(); $code echo session_id() . json_encode(\$_SESSION['x'] ?? null);", "PHPSESSID=$old", $ini);
            same("$mode, $lock: one that $what sends none", [], $headers['set-cookie'] ?? []);
            same("$mode, $lock: one that $what keeps its id and reads", "{$old}1", $found);
        }
    }
}
done();
--EXPECT--
48 claims hold
