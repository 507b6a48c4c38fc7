--TEST--
session.lazy_write with an object of the class, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('lazy-write', 'class');
--EXPECT--
8 claims hold
