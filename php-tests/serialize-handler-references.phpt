--TEST--
References between parts of a session survive the store
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

foreach (['php', 'php_serialize'] as $number => $handler) {
    ini_set('session.serialize_handler', $handler);
    $value = 1;
    put("references-$number", []);
    start("references-$number");
    $_SESSION['list'] = ['a' => &$value, 'b' => &$value];
    $_SESSION['self'] = new stdClass();
    $_SESSION['self']->self = $_SESSION['self'];
    session_write_close();
    start("references-$number");
    $_SESSION['list']['a'] = 2;
    same("$handler: both ends of a reference change", 2, $_SESSION['list']['b']);
    same("$handler: an object that holds itself still does", $_SESSION['self'], $_SESSION['self']->self);
    session_abort();
    unset($value);
}
done();
--EXPECT--
4 claims hold
