--TEST--
session.serialize_handler = php_binary
--FILE--
<?php
require __DIR__ . '/serialize_handler.inc';

keeps_everything('php_binary');
done();
--EXPECT--
4 claims hold
