--TEST--
session_encode() and session_decode() with an object of a subclass, strict mode on
--INI--
session.use_strict_mode=1
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('encode-decode', 'subclass');
--EXPECT--
9 claims hold
