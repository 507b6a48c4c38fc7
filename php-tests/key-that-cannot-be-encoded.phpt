--TEST--
A $_SESSION with a key that the serialize handler cannot encode is refused with a warning instead of emptying the session
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('kept', ['x' => 'old']);
start('kept');
$_SESSION['a|b'] = 1;
[, $warnings] = with_warnings(session_write_close(...));
matches('the warning says why', '/\$_SESSION.*\|/', $warnings);
same('the session is free and as it was', ['x' => 'old'], found_free('kept'));

start('kept');
$_SESSION['a|b'] = 1;
same('regenerating the id fails as well', false, with_warnings(fn () => session_regenerate_id(false))[0]);
same('and leaves the session free and as it was', ['x' => 'old'], found_free('kept'));

// An empty payload is right where nothing of $_SESSION belongs to it.
foreach (['nothing' => [], 'numbers only' => [5 => 'five']] as $what => $data) {
    put('emptied', ['x' => 1]);
    start('emptied');
    $_SESSION = $data;
    with_warnings(session_write_close(...));
    same("$what in \$_SESSION empties the session", [], stored('emptied'));
}
ini_set('session.serialize_handler', 'php_serialize');
put('another-format', ['a|b' => 1]);
same('other serialize handlers store such a key', ['a|b' => 1], stored('another-format'));
ini_set('session.serialize_handler', 'php_binary');
put('binary', ['x' => 1]);
put('binary', [str_repeat('k', 200) => 1]);
same('"php_binary" passes over a key that is too long for it', [], stored('binary'));
done();
--EXPECT--
8 claims hold
