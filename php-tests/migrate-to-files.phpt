--TEST--
cloakroom.migrate_to leaves an empty file for each session as it is first written, and removes it with the session
--FILE--
<?php
require __DIR__ . '/migrate.inc';
use_cloakroom(own_directory());
put('stays', ['x' => 1]);
$there = old_directory(1);
$to = ['cloakroom.migrate_to' => "files:1;$there"];

foreach (['native' => '', 'class' => 'session_set_save_handler(new Cloakroom\SessionHandler());'] as $kind => $handler) {
    $file = old_file($there, "a-$kind", 1);
    said('', "$handler start('a-$kind'); session_write_close(); say(1);", $to);
    same("$kind: none for a session without data", false, file_exists($file));
    said('', "$handler start('a-$kind'); \$_SESSION['n'] = 1; session_write_close(); say(1);", $to);
    clearstatcache();
    same("$kind: one for a session with data", [0, 0100600], [filesize($file), fileperms($file)]);
    unlink($file);
    said('', "$handler start('a-$kind'); \$_SESSION['n'] = 2; session_write_close(); say(1);", $to);
    same("$kind: only as it is first written", false, file_exists($file));
    said('', "$handler start('b-$kind'); \$_SESSION['n'] = 1; session_write_close(); start('b-$kind'); session_destroy(); say(1);", $to);
    same("$kind: none for a session that has ended", false, file_exists(old_file($there, "b-$kind", 1)));
}
said('', '(new Cloakroom\SessionHandler())->write("c-object", "n|i:1;"); say(1);', $to);
same('an object leaves one as well', true, file_exists(old_file($there, 'c-object', 1)));
$from = old_directory();
put_there($from, 'd-taken', ['n' => 1]);
said("files:$from", 'start("d-taken"); say(1);', $to);
same('so does whoever migrates a session', true, file_exists(old_file($there, 'd-taken', 1)));

$lost = ['cloakroom.migrate_to' => 'files:/nowhere'];
[$written, $warnings] = said('', 'start("e"); $_SESSION["n"] = 1; say(with_warnings(fn () => session_write_close()));', $lost);
same('where it cannot be made the session is stored all the same', [true, ['n' => 1]], [$written, stored('e')]);
matches('it is told', '~files:/nowhere cannot be read: the directory cannot be reached~', $warnings);
done();
--EXPECT--
12 claims hold
