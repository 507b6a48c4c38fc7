--TEST--
session_regenerate_id(true) with an object of the class, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('regenerate-deleting', 'class');
--EXPECT--
11 claims hold
