--TEST--
session_write_close() and session_commit() with an object of the class, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('write-close', 'class');
--EXPECT--
14 claims hold
