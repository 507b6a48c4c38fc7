--TEST--
session_unset() with the native handler, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('unset', 'native');
--EXPECT--
7 claims hold
