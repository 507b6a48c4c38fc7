--TEST--
session_unset() with an object of the class, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('unset', 'class');
--EXPECT--
7 claims hold
