--TEST--
The end of a script with the native handler, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('end-of-script', 'native');
--EXPECT--
19 claims hold
