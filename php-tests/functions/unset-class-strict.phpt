--TEST--
session_unset() with an object of the class, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('unset', 'class');
--EXPECT--
7 claims hold
