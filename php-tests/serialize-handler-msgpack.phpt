--TEST--
session.serialize_handler = msgpack
--EXTENSIONS--
msgpack
--FILE--
<?php
require __DIR__ . '/serialize_handler.inc';

keeps_everything('msgpack');
done();
--EXPECT--
4 claims hold
