--TEST--
session_start(['read_and_close' => true]) with the native handler, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('read-and-close', 'native');
--EXPECT--
11 claims hold
