--TEST--
Symfony's session over an object in a migrating handler, over several requests and processes
--SKIPIF--
<?php is_file('/usr/share/php/Symfony/Component/HttpFoundation/autoload.php') || die('skip the Debian package php-symfony-http-foundation is not installed');
--FILE--
<?php
require __DIR__ . '/symfony_scenario.inc';
symfony_scenario('in a migrating handler');
--EXPECT--
29 claims hold
