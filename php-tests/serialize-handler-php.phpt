--TEST--
session.serialize_handler = php
--FILE--
<?php
require __DIR__ . '/serialize_handler.inc';

keeps_everything('php');
done();
--EXPECT--
4 claims hold
