--TEST--
What a merging request stores while another holds the lock is not lost when that one writes
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '0');

// With lazy_write PHP keeps what was read; without it Cloakroom does.
foreach (['1', '0'] as $lazy) {
    ini_set('session.lazy_write', $lazy);
    $id = "lazy$lazy";
    put($id, ['before' => 1]);
    $holder = Process::run("const ARGUMENT = '$id';" . <<<'PHP'
        start(ARGUMENT);
        $_SESSION['holder'] = 1;
        say('holds');
        hear();
        say(with_warnings(session_write_close(...)));
    PHP, ['session.lazy_write' => $lazy]);
    $holder->hear();
    same("$id: merging does not wait", [true, ''], start($id, ['cloakroom_lock' => 'merge']));
    $_SESSION['merged'] = 1;
    session_write_close();
    ini_restore('session.cloakroom_lock');
    same("$id: the lock is held", false, start($id)[0]);
    $holder->tell('go on');
    same("$id: the holder writes", [true, ''], $holder->hear());
    same("$id: both are there", ['before' => 1, 'merged' => 1, 'holder' => 1], stored($id));
}

put('last', ['x' => 'old']);
start('last', ['cloakroom_lock' => 'none']);
$other = Process::run('put("last", ["x" => "old", "y" => 1]); say("written");');
$other->hear();
$_SESSION['x'] = 'new';
session_write_close();
same('without a lock the last write wins as a whole', ['x' => 'new'], stored('last'));
done();
--EXPECT--
9 claims hold
