--TEST--
After session_regenerate_id() the new id is locked, and the old one until the new one is written where that takes its place
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

foreach ([false, true] as $delete) {
    $words = $delete ? 'deleting' : 'keeping';
    put("old$words", ['x' => 1]);
    start("old$words");
    session_regenerate_id($delete);
    $other = Process::run(<<<'PHP'
        ini_set('cloakroom.lock_wait', '0');
        say(start(hear())[0]);
        session_abort();
        say(start(hear())[0]);
    PHP);
    $other->tell("old$words");
    same("$words: the old id can be locked by another process at once", !$delete, $other->hear());
    $other->tell(session_id());
    same("$words: the new id cannot", false, $other->hear());
    $other->wait();
    $new = session_id();
    session_write_close();
    same("$words: until it is closed", [true, ''], start($new));
    same("$words: with the data", ['x' => 1], $_SESSION);
    session_abort();
    same("$words: the old id can be locked then", [true, ''], start("old$words"));
    session_abort();
}
done();
--EXPECT--
10 claims hold
