--TEST--
session_regenerate_id(true) with the native handler, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('regenerate-deleting', 'native');
--EXPECT--
11 claims hold
