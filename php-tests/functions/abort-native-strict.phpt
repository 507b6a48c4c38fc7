--TEST--
session_abort() with the native handler, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('abort', 'native');
--EXPECT--
8 claims hold
