--TEST--
session.lazy_write with the native handler, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('lazy-write', 'native');
--EXPECT--
8 claims hold
