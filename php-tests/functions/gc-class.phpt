--TEST--
session_gc() with an object of the class, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('gc', 'class');
--EXPECT--
6 claims hold
