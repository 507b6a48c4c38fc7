--TEST--
session_destroy() with the native handler, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('destroy', 'native');
--EXPECT--
11 claims hold
