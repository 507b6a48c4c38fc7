--TEST--
session_id() with an object of the class, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('id', 'class');
--EXPECT--
7 claims hold
