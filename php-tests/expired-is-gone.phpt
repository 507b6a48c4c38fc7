--TEST--
A session past its lifetime is gone at once, without any collection, strict mode off and on
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

in_both_modes(function (string $mode, bool $strict): void {
    ini_set('session.gc_maxlifetime', '2');
    $ids = [];
    foreach (['start', 'read_and_close', 'regenerate'] as $way) {
        start('');
        $ids[$way] = session_id();
        $_SESSION['x'] = 1;
        session_write_close();
    }
    $written = time();
    ini_set('session.gc_maxlifetime', '1000');
    start($ids['start']);
    same("$mode: it is there before", ['x' => 1], $_SESSION);
    session_abort();
    wait_until('the lifetime was over', fn () => time() > $written + 3);

    start($ids['start']);
    same("$mode: a start finds nothing", [], $_SESSION);
    same("$mode: whether the id is kept", !$strict, session_id() === $ids['start']);
    session_abort();
    start($ids['read_and_close'], ['read_and_close' => true]);
    same("$mode: read_and_close finds nothing", [], $_SESSION);
    start($ids['regenerate']);
    $_SESSION['new'] = 1;
    session_regenerate_id(false);
    $id = session_id();
    session_write_close();
    same("$mode: an expired session that begins again is empty", ['new' => 1], stored($id));
    same("$mode: regenerating brings nothing back", [], array_diff_key(stored($ids['regenerate']), ['new' => 1]));
});
done();
--EXPECT--
12 claims hold
