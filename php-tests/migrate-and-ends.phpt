--TEST--
A session that was migrated and ended here does not come back from there
--FILE--
<?php
require __DIR__ . '/migrate.inc';
use_cloakroom(own_directory());
put('stays', ['x' => 1]);
$there = old_directory();
$from = "files:$there";

foreach (['native' => '', 'class' => 'session_set_save_handler(new Cloakroom\SessionHandler());'] as $kind => $handler) {
    put_there($there, "out-$kind", ['n' => 1]);
    same("$kind: session_destroy()", true, said($from, "$handler start('out-$kind'); say(session_destroy());"));
    same("$kind: it is gone there", false, file_exists("$there/sess_out-$kind"));
    same("$kind: and here", [], said($from, "say(stored('out-$kind'));"));
    put_there($there, "out-$kind", ['n' => 1]);
    same("$kind: a request of the old handler that writes it again does not bring it back", [[], []],
        [said($from, "say(stored('out-$kind'));"), said($from, "say(stored('out-$kind'));")]);

    put_there($there, "old-$kind", ['n' => 1]);
    $id = said($from, "$handler start('old-$kind'); session_regenerate_id(true); say(session_id());");
    same("$kind: session_regenerate_id(true) takes the data along", ['n' => 1], said($from, "say(stored('$id'));"));
    same("$kind: the old id is gone there", false, file_exists("$there/sess_old-$kind"));
    same("$kind: in its grace it still reads", ['n' => 1], said($from, "say(stored('old-$kind'));"));

    put_there($there, "kept-$kind", ['n' => 1]);
    $id = said($from, "$handler start('kept-$kind'); session_regenerate_id(false); say(session_id());");
    same("$kind: session_regenerate_id(false) keeps both", [['n' => 1], ['n' => 1]],
        said($from, "say([stored('$id'), stored('kept-$kind')]);"));
}

put_there($there, 'object', ['n' => 1]);
same('an object ends one that it never read', true, said($from, 'say((new Cloakroom\SessionHandler())->destroy("object"));'));
same('it is gone', [false, []], [file_exists("$there/sess_object"), said($from, 'say(stored("object"));')]);

// Nobody can remove anything there now.
foreach (['stuck', 'stuck-unread'] as $id) {
    put_there($there, $id, ['n' => 1]);
}
chmod($there, 0500);
at_end(fn () => chmod($there, 0700));
[$ended, $warnings] = said($from, 'start("stuck"); say(with_warnings(fn () => session_destroy()));');
same('a copy that cannot be removed keeps nobody from logging out', true, $ended);
matches('it is told', '/Cloakroom: .*cannot be removed: .*let PHP\'s user/', $warnings);
[$ended, $warnings] = said($from, 'say(with_warnings(fn () => (new Cloakroom\SessionHandler())->destroy("stuck-unread")));');
matches('also of one that was never read', '/cannot be removed/', $warnings);
foreach (['stuck', 'stuck-unread'] as $id) {
    same("$id: the copy is there", true, file_exists("$there/sess_$id"));
    check("$id: strict mode knows that it has ended", said($from, "start('$id'); say(session_id());", ['session.use_strict_mode' => '1']) !== $id);
    // The first of these begins a fresh session under the id; the others find it, as empty as a reservation.
    foreach (['the next', 'the second', 'the third'] as $which) {
        same("$id: $which request does not migrate it again", [], said($from, "say(stored('$id'));"));
    }
}
done();
--SKIPIF--
<?php
// Root can remove files from any directory.
fstat(tmpfile())['uid'] === 0 && die('skip root may do everything');
--EXPECT--
31 claims hold
