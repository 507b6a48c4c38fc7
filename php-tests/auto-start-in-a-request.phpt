--TEST--
session.auto_start with a cookie continues the session
--SKIPIF--
<?php is_executable((string) getenv('TEST_PHP_CGI_EXECUTABLE')) || die('skip php-cgi is not installed');
--FILE--
<?php
require __DIR__ . '/cgi.inc';
use_cloakroom(own_directory());

$ini = ['session.auto_start' => '1'];
$visit = '$_SESSION["visits"] = ($_SESSION["visits"] ?? 0) + 1; echo session_id(), " ", $_SESSION["visits"];';
[, $body] = request($visit, '', $ini);
[$id, $visits] = explode(' ', $body);
same('the first visit', '1', $visits);
same('the second', "$id 2", request($visit, "PHPSESSID=$id", $ini)[1]);
same('the third', "$id 3", request($visit, "PHPSESSID=$id", $ini)[1]);
done();
--EXPECT--
3 claims hold
