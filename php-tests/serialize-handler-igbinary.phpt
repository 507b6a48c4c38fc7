--TEST--
session.serialize_handler = igbinary
--EXTENSIONS--
igbinary
--FILE--
<?php
require __DIR__ . '/serialize_handler.inc';

keeps_everything('igbinary');
done();
--EXPECT--
4 claims hold
