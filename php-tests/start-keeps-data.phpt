--TEST--
session_start() finds in a later request what an earlier one left, strict mode off and on
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

in_both_modes(function (string $mode, bool $strict): void {
    same("$mode: a new session starts silently", [true, ''], start(''));
    same("$mode: it is empty", [], $_SESSION);
    $id = session_id();
    $data = ['name' => 'value', 'list' => [1, 2.5, null, ['deep' => true]], 'empty' => ''];
    $_SESSION = $data;
    session_write_close();

    same("$mode: it starts again", [true, ''], start($id));
    same("$mode: under the same id", $id, session_id());
    same("$mode: with the same data", $data, $_SESSION);
    session_write_close();

    $other = Process::run('say([start(hear(), ["use_strict_mode" => ' . (int) $strict . ']), session_id(), $_SESSION]);');
    $other->tell($id);
    same("$mode: another process finds it, too", [[true, ''], $id, $data], $other->hear());
});
done();
--EXPECT--
12 claims hold
