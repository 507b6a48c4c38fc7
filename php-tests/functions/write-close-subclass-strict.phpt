--TEST--
session_write_close() and session_commit() with an object of a subclass, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('write-close', 'subclass');
--EXPECT--
14 claims hold
