--TEST--
session_destroy() with an object of a subclass, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('destroy', 'subclass');
--EXPECT--
11 claims hold
