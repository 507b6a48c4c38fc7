--TEST--
The end of a script with an object of a subclass, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('end-of-script', 'subclass');
--EXPECT--
19 claims hold
