--TEST--
session_create_id() with the native handler, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('create-id', 'native');
--EXPECT--
9 claims hold
