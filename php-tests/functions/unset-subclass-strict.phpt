--TEST--
session_unset() with an object of a subclass, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('unset', 'subclass');
--EXPECT--
7 claims hold
