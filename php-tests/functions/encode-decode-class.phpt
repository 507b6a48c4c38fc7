--TEST--
session_encode() and session_decode() with an object of the class, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('encode-decode', 'class');
--EXPECT--
9 claims hold
