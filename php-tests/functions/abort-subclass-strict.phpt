--TEST--
session_abort() with an object of a subclass, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('abort', 'subclass');
--EXPECT--
8 claims hold
