--TEST--
After output has begun, a start fails and an open session is stored all the same
--SKIPIF--
<?php is_executable((string) getenv('TEST_PHP_CGI_EXECUTABLE')) || die('skip php-cgi is not installed');
--FILE--
<?php
require __DIR__ . '/cgi.inc';
use_cloakroom(own_directory());

put('visitor', ['x' => 'old']);
$ini = ['output_buffering' => '0'];
$late = new CgiRequest('echo "out"; flush(); echo json_encode(session_start());', 'PHPSESSID=visitor', $ini);
same('a start after output fails', 'outfalse', $late->response()[1]);
matches('PHP tells why', '/after headers have already been sent/', $late->errors());
same('the session is as it was', ['x' => 'old'], stored('visitor'));

[, $body] = request(
    'session_start(); echo "out"; flush(); $_SESSION["x"] = "new"; echo json_encode([@session_regenerate_id(true), session_reset(), $_SESSION["x"]]); $_SESSION["x"] = "newer";',
    'PHPSESSID=visitor',
    $ini,
);
same('a session that was open before can be reset, not regenerated', 'out[false,true,"old"]', $body);
same('it is stored', ['x' => 'newer'], stored('visitor'));
ini_set('cloakroom.lock_wait', '0');
same('and free', [true, ''], start('visitor'));
session_abort();
done();
--EXPECT--
6 claims hold
