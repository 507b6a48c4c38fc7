--TEST--
session_encode() and session_decode() with an object of a subclass, strict mode off
--INI--
session.use_strict_mode=0
--FILE--
<?php
require __DIR__ . '/handlers.inc';
run_scenario('encode-decode', 'subclass');
--EXPECT--
9 claims hold
