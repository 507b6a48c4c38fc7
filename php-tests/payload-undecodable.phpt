--TEST--
A payload that the serialize handler cannot read ends the session, as with PHP's own handler
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

ini_set('session.serialize_handler', 'php');
put('formats', ['x' => 'a text']);
ini_set('session.serialize_handler', 'php_serialize');
[$started, $warnings] = start('formats');
same('the start fails', false, $started);
matches('PHP tells why', '/Failed to decode session object/', $warnings);
check('the warning does not show the payload', !str_contains($warnings, 'a text'));
same('the session was destroyed', [], stored('formats'));
done();
--EXPECT--
4 claims hold
