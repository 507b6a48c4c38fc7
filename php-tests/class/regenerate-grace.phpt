--TEST--
An id that was replaced is read for a while, also with an object, shows nothing after an invalidation, and is gone after a destruction
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());
ini_set('session.use_strict_mode', '1');

$derived = new class extends Cloakroom\SessionHandler {
    public function destroy(string $id): bool
    {
        return parent::destroy($id);
    }
};
$found = function (string $id): array {
    $other = Process::run('
        ini_set("session.use_strict_mode", "1");
        ini_set("cloakroom.lock_wait", "0");
        start($id = hear());
        $_SESSION["late"] = 1;
        say([session_id() === $id, array_diff_key($_SESSION, ["late" => 1])]);
    ');
    $other->tell($id);

    return [$other->hear(), $other->wait()][0];
};
foreach (['the class' => new Cloakroom\SessionHandler(), 'a subclass' => $derived] as $which => $handler) {
    session_set_save_handler($handler);
    foreach (['replaced' => true, 'replaced after it was emptied' => true, 'destroyed' => false] as $how => $regenerates) {
        start('');
        $id = session_id();
        $_SESSION['x'] = 1;
        session_write_close();
        start($id);
        if ($how === 'replaced after it was emptied') {
            $_SESSION = [];
        }
        $regenerates ? session_regenerate_id(true) : session_destroy();
        session_write_close();
        $reads = [$how !== 'destroyed', $how === 'replaced' ? ['x' => 1] : []];
        same("$which: another request reads an id that was $how", $reads, $found($id));
        same("$which: and writes nothing to an id that was $how", $reads, $found($id));
    }
}
$single = new Cloakroom\SessionHandler();
$single->write('single', 'x');
$single->destroy('single');
same('a single session that is destroyed is gone', ['', false], [$single->read('single'), $single->validateId('single')]);
done();
--EXPECT--
13 claims hold
