--TEST--
The end of a script with an object of the class, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('end-of-script', 'class');
--EXPECT--
19 claims hold
