--TEST--
session_regenerate_id(false) with the native handler, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('regenerate-keeping', 'native');
--EXPECT--
12 claims hold
