--TEST--
session_write_close() and session_commit() with the native handler, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('write-close', 'native');
--EXPECT--
14 claims hold
