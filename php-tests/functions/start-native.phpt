--TEST--
session_start() with the native handler, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('start', 'native');
--EXPECT--
15 claims hold
