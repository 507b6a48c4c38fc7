--TEST--
session_gc() with an object of a subclass, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('gc', 'subclass');
--EXPECT--
6 claims hold
