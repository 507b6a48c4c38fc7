--TEST--
cloakroom.lock = merge: nobody waits, and requests that overlap keep each other's changes
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock', 'merge');
ini_set('cloakroom.lock_wait', '0');
$format = ['php', 'php_serialize', 'php_binary'];

foreach ($format as $name) {
    ini_set('session.serialize_handler', $name);
    $id = strtr($name, '_', '-');
    put($id, ['kept' => 1, 'mine' => 1, 'theirs' => 1, 'gone' => 1, 'also gone' => 1, 'both' => 1, 'deep' => ['a' => [1], 'b' => [2]]]);
    same("$name: a first request begins", [true, ''], start($id));
    $other = Process::run("const ARGUMENT = '$id';" . <<<'PHP'
        say(start(ARGUMENT));
        $_SESSION['theirs'] = 'changed';
        $_SESSION['new'] = new ArrayObject([1, 2]);
        $_SESSION['both'] = 'theirs';
        $_SESSION['deep']['b'][] = 3;
        unset($_SESSION['gone']);
        say(with_warnings(session_write_close(...)));
    PHP, ['cloakroom.lock' => 'merge', 'session.serialize_handler' => $name]);
    same("$name: a second one begins meanwhile", [true, ''], $other->hear());
    same("$name: and ends first", [true, ''], $other->hear());
    $before = Cloakroom\status();
    $_SESSION['mine'] = 'changed';
    $_SESSION['also new'] = INF;
    $_SESSION['both'] = 'mine';
    $_SESSION['deep']['a'][] = 4;
    unset($_SESSION['also gone']);
    same("$name: the first one ends", [true, ''], with_warnings(session_write_close(...)));
    $after = Cloakroom\status();

    $expected = ['kept' => 1, 'mine' => 'changed', 'theirs' => 'changed', 'both' => 'mine',
        'deep' => ['a' => [1, 4], 'b' => [2, 3]], 'new' => new ArrayObject([1, 2]), 'also new' => INF];
    $found = stored($id);
    ksort($expected);
    ksort($found);
    check("$name: both are kept", $expected == $found);
    same("$name: that is counted", [1, 1, 0], array_map(
        fn (string $figure): int => $after[$figure] - $before[$figure],
        ['merges', 'merge_conflicts', 'merge_fallbacks'],
    ));
}
same('nobody waited', 0, Cloakroom\status()['waits']);
done();
--EXPECT--
19 claims hold
