--TEST--
session_reset() with an object of the class, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('reset', 'class');
--EXPECT--
12 claims hold
