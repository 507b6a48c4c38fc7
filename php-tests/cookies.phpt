--TEST--
Cookies: a new session gets one, a known one keeps it, strict mode replaces an unknown one
--SKIPIF--
<?php is_executable((string) getenv('TEST_PHP_CGI_EXECUTABLE')) || die('skip php-cgi is not installed');
--FILE--
<?php
require __DIR__ . '/cgi.inc';
use_cloakroom(own_directory());

$visit = 'session_start(); $_SESSION["visits"] = ($_SESSION["visits"] ?? 0) + 1; echo session_id(), " ", $_SESSION["visits"];';
foreach (['strict mode off' => '0', 'strict mode on' => '1'] as $mode => $strict) {
    $ini = ['session.use_strict_mode' => $strict];
    [$headers, $body] = request($visit, '', $ini);
    [$id, $visits] = explode(' ', $body);
    same("$mode: the first visit", '1', $visits);
    matches("$mode: it gets a cookie", "/^PHPSESSID=$id(;|$)/", $headers['set-cookie'][0] ?? '');
    [$headers, $body] = request($visit, "PHPSESSID=$id", $ini);
    same("$mode: the second visit", "$id 2", $body);
    same("$mode: it gets no cookie", [], $headers['set-cookie'] ?? []);

    [$headers, $body] = request($visit, 'PHPSESSID=unknown-' . $strict, $ini);
    same("$mode: whether an unknown id is kept", $strict === '0', $body === 'unknown-0 1');
    same("$mode: how many cookies that gives", (int) $strict, count($headers['set-cookie'] ?? []));
}
done();
--EXPECT--
12 claims hold
