--TEST--
session_destroy() with an object of a subclass, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('destroy', 'subclass');
--EXPECT--
11 claims hold
