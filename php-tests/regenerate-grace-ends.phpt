--TEST--
The grace of a replaced id ends in time, is off with cloakroom.grace = 0, and nothing is read where the session was emptied
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

/** Replaces the id of a session after `before`; the old id. */
function replaced(callable $before): string
{
    $id = session_create_id();
    put($id, ['user' => 'ada', 'basket' => [1]]);
    start($id);
    $before();
    session_regenerate_id(true);
    session_write_close();

    return $id;
}

$nothing = function (): void {};
ini_set('cloakroom.grace', '1');
$began = microtime(true);
$old = replaced($nothing);
check('there is a grace', stored($old) !== []);
while (stored($old) !== [] && microtime(true) < $began + 6) {
    usleep(20000);
}
$lasted = microtime(true) - $began;
check('it ends', $lasted < 5);
check('not before its time', $lasted > 0.95);
same('the first start after it is a fresh session', [true, ''], start($old));
same('which is empty', [], $_SESSION);
$_SESSION['fresh'] = true;
session_write_close();
same('and can be written', ['fresh' => true], stored($old));

ini_set('cloakroom.grace', '0');
same('none', [], stored(replaced($nothing)));
ini_set('cloakroom.grace', '10');
same('nothing after session_unset()', [], stored(replaced(fn () => session_unset())));
same('nothing after $_SESSION = []', [], stored(replaced(function (): void {
    $_SESSION = [];
})));
same('nothing where only empty arrays are left, as of a framework', [], stored(replaced(function (): void {
    $_SESSION = ['_sf2_attributes' => [], '_symfony_flashes' => [], '_sf2_meta' => ['u' => 1, 'c' => 1, 'l' => 0]];
})));
check('what is left where anything is', stored(replaced(function (): void {
    $_SESSION = ['user' => 'ada'];
})) !== []);
same('none after session_destroy()', [], (function (): array {
    $id = session_create_id();
    put($id, ['user' => 'ada']);
    start($id);
    session_destroy();

    return stored($id);
})());
$kept = session_create_id();
put($kept, ['user' => 'ada']);
start($kept);
session_regenerate_id(false);
session_write_close();
put($kept, ['user' => 'bob']);
same('session_regenerate_id(false) leaves the old id writable', ['user' => 'bob'], stored($kept));
done();
--EXPECT--
13 claims hold
