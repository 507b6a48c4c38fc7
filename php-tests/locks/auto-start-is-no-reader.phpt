--TEST--
session.auto_start begins a session that locks and writes, whatever options the script's own functions take
--SKIPIF--
<?php is_executable((string) getenv('TEST_PHP_CGI_EXECUTABLE')) || die('skip php-cgi is not installed');
--FILE--
<?php
require __DIR__ . '/../cgi.inc';
require __DIR__ . '/../process.inc';
use_cloakroom(own_directory());
put('visitor', ['n' => 1]);

$ini = ['session.auto_start' => '1', 'session.read_and_close' => '1', 'cloakroom.lock_wait' => '0'];
[, $body] = request('$_SESSION["n"]++; echo session_status();', 'PHPSESSID=visitor', $ini);
same('the session is active in the script', (string) PHP_SESSION_ACTIVE, $body);
same('what the script changed is stored', ['n' => 2], stored('visitor'));

$holder = Process::run('say(start("visitor")); hear();');
same('a process holds the session', [true, ''], $holder->hear());
$read = '$status = session_status(); $read = session_start(["read_and_close" => true]); echo $status, $read, $_SESSION["n"];';
same('then it cannot begin, and the script can still read', PHP_SESSION_NONE . '12', request($read, 'PHPSESSID=visitor', $ini)[1]);
done();
--EXPECT--
4 claims hold
