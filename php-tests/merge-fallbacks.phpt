--TEST--
What cannot be merged falls back to the last write, which is counted
--EXTENSIONS--
igbinary
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock', 'merge');

/** Two requests overlap, each adds a key; what is stored afterwards, and how often a merge was not possible. */
function overlap(string $handler, callable $mine, string $theirs): array
{
    ini_set('session.serialize_handler', $handler);
    $id = session_create_id();
    put($id, ['base' => ['x' => 1]]);
    start($id);
    $before = Cloakroom\status()['merge_fallbacks'];
    $settings = ['cloakroom.lock' => 'merge', 'session.serialize_handler' => $handler];
    $other = Process::run("start('$id'); $theirs session_write_close(); say('written');", $settings);
    $other->hear();
    $mine();
    same("$handler: the write succeeds", [true, ''], with_warnings(session_write_close(...)));

    return [stored($id), Cloakroom\status()['merge_fallbacks'] - $before];
}

$add = function (): void {
    $_SESSION['mine'] = 1;
};
same('an opaque format', [['base' => ['x' => 1], 'mine' => 1], 1], overlap('igbinary', $add, '$_SESSION["theirs"] = 1;'));
same('a format that is known', [['base' => ['x' => 1], 'theirs' => 1, 'mine' => 1], 0], overlap('php', $add, '$_SESSION["theirs"] = 1;'));
// My reference leads to a value that the other request has changed.
[$stored, $fallbacks] = overlap('php', function (): void {
    $_SESSION['mine'] = &$_SESSION['base'];
}, '$_SESSION["base"]["x"] = 2;');
same('a reference across', [['base' => ['x' => 1], 'mine' => ['x' => 1]], 1], [$stored, $fallbacks]);
done();
--EXPECT--
6 claims hold
