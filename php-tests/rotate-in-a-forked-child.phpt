--TEST--
session_regenerate_id() in a forked child whose parent used the store, and on a store whose file was deleted
--SKIPIF--
<?php
function_exists('pcntl_fork') || die('skip this PHP cannot fork (no pcntl)');
getenv('CLOAKROOM_TEST_SERVER') === false || die('skip a store on a server has no file');
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

foreach (['exclusive', 'merge', 'none'] as $lock) {
    put("a-$lock", ['user' => 1]);
    put("over-$lock", ['user' => 1]);
    $parent = Process::run(<<<'PHP'
        $lock = ini_get('cloakroom.lock');
        // The parent has the store attached, and a session of it was open.
        start("parent-$lock");
        $_SESSION['x'] = 1;
        session_write_close();
        $child = pcntl_fork();
        if ($child !== 0) {
            pcntl_waitpid($child, $status);
            say(pcntl_wexitstatus($status));
            exit(0);
        }
        start("a-$lock");
        $_SESSION['more'] = 1;
        $rotated = with_warnings(fn () => session_regenerate_id(true));
        $new = session_id();
        session_write_close();
        say([$rotated, $new]);
        start("over-$lock");
        (new Cloakroom\SessionHandler())->destroy("over-$lock");
        $rotated = with_warnings(fn () => session_regenerate_id(true));
        say([$rotated, session_id()]);
        session_write_close();
        exit(7);
    PHP, ['cloakroom.lock' => $lock]);
    [$rotated, $new] = $parent->hear();
    same("$lock: the child replaces an id", [true, ''], $rotated);
    same("$lock: the new one has the data", ['user' => 1, 'more' => 1], stored($new));
    same("$lock: the old one shows what is the same", ['user' => 1], stored("a-$lock"));
    [$rotated, $kept] = $parent->hear();
    same("$lock: the id of a session that others ended stays", [[true, ''], "over-$lock"], [$rotated, $kept]);
    same("$lock: the child ends well", 7, $parent->hear());
    $parent->wait();
    same("$lock: what was ended stays so", [], stored("over-$lock"));
}

foreach (['exclusive', 'merge', 'none'] as $lock) {
    ini_set('cloakroom.lock', $lock);
    put($id = session_create_id(), ['user' => 1]);
    start($id);
    unlink(store_file());
    $_SESSION['more'] = 1;
    [$rotated] = with_warnings(fn () => session_regenerate_id(true));
    $new = session_id();
    with_warnings(fn () => session_write_close());
    same("$lock: an id is replaced while its store's file is gone", [true, true], [$rotated, $new !== $id]);
    // Until it has put its sessions into a file that others find, with a warning.
    wait_until('the process had a file for its store', function () use ($new): bool {
        start($new, ['read_and_close' => true]);

        return is_file(store_file());
    });
    same("$lock: the new one has the data", ['user' => 1, 'more' => 1], stored($new));
    same("$lock: for others too", ['user' => 1, 'more' => 1], found_free($new));
    same("$lock: a log-out under it", [true, true], [start($new)[0], session_destroy()]);
    same("$lock: is one for the old id as well", [[], []], [stored($new), stored($id)]);
}
done();
--EXPECT--
33 claims hold
