--TEST--
session_gc() with the native handler, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('gc', 'native');
--EXPECT--
6 claims hold
