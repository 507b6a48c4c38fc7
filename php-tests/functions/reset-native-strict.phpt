--TEST--
session_reset() with the native handler, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('reset', 'native');
--EXPECT--
12 claims hold
