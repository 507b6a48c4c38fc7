--TEST--
A request that waits for the lock in vain does not replace the browser's cookie
--SKIPIF--
<?php is_executable((string) getenv('TEST_PHP_CGI_EXECUTABLE')) || die('skip php-cgi is not installed');
--FILE--
<?php
require __DIR__ . '/cgi.inc';
use_cloakroom(own_directory());

put('busy', ['x' => 1]);
start('busy');
foreach (['strict mode off' => '0', 'strict mode on' => '1'] as $mode => $strict) {
    $request = new CgiRequest('echo json_encode([session_start(), session_status()]);', 'PHPSESSID=busy', [
        'session.use_strict_mode' => $strict,
        'cloakroom.lock_wait' => '0',
    ]);
    [$headers, $body] = $request->response();
    same("$mode: the start fails", '[false,1]', $body);
    same("$mode: no cookie is sent", [], $headers['set-cookie'] ?? []);
    matches("$mode: the warning is logged", '/is locked.*process ' . getmypid() . '/', $request->errors());
}
session_write_close();
foreach (['strict mode off' => '0', 'strict mode on' => '1'] as $mode => $strict) {
    [, $body] = request('session_start(); echo json_encode($_SESSION);', 'PHPSESSID=busy', ['session.use_strict_mode' => $strict]);
    same("$mode: the next request finds the session", '{"x":1}', $body);
}
done();
--EXPECT--
8 claims hold
