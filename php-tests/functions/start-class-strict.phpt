--TEST--
session_start() with an object of the class, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('start', 'class');
--EXPECT--
15 claims hold
