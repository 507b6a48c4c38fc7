--TEST--
session_regenerate_id() gives the browser one new cookie
--SKIPIF--
<?php is_executable((string) getenv('TEST_PHP_CGI_EXECUTABLE')) || die('skip php-cgi is not installed');
--FILE--
<?php
require __DIR__ . '/cgi.inc';
use_cloakroom(own_directory());

foreach (['strict mode off' => '0', 'strict mode on' => '1'] as $mode => $strict) {
    $ini = ['session.use_strict_mode' => $strict];
    [, $old] = request('session_start(); $_SESSION["x"] = 1; echo session_id();', '', $ini);
    [$headers, $new] = request('session_start(); session_regenerate_id(true); echo session_id();', "PHPSESSID=$old", $ini);
    same("$mode: there is one cookie", 1, count($headers['set-cookie'] ?? []));
    matches("$mode: for the new id", "/^PHPSESSID=$new(;|$)/", $headers['set-cookie'][0] ?? '');
    [, $body] = request('session_start(); echo json_encode($_SESSION);', "PHPSESSID=$new", $ini);
    same("$mode: which has the data", '{"x":1}', $body);
}
done();
--EXPECT--
6 claims hold
