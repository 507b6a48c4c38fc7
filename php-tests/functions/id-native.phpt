--TEST--
session_id() with the native handler, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('id', 'native');
--EXPECT--
7 claims hold
