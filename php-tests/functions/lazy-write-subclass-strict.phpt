--TEST--
session.lazy_write with an object of a subclass, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('lazy-write', 'subclass');
--EXPECT--
8 claims hold
