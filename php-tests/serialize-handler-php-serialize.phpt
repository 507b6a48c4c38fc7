--TEST--
session.serialize_handler = php_serialize
--FILE--
<?php
require __DIR__ . '/serialize_handler.inc';

keeps_everything('php_serialize');
done();
--EXPECT--
4 claims hold
