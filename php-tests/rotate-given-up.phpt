--TEST--
A session whose new id was never written lives on under the old one: after an abort, a fatal error, a kill, a refused write
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$ends = [
    'an abort' => 'session_abort();',
    'an exit in a fatal error' => 'ini_set("display_errors", "0"); ini_set("log_errors", "0"); ini_set("memory_limit", "16M"); $_SESSION["more"] = str_repeat("x", 8 << 20); str_repeat("x", 64 << 20);',
    'a write that is too large' => '$_SESSION["more"] = str_repeat("x", 17 << 20); @session_write_close();',
    'a kill' => 'say("now"); hear();',
];
foreach (['exclusive', 'merge', 'none'] as $lock) {
    ini_set('cloakroom.lock', $lock);
    foreach ($ends as $what => $code) {
        $name = "$lock, $what";
        $id = session_create_id();
        put($id, ['user' => 1]);
        $other = Process::run(
            'start(hear()); $_SESSION["later"] = 1; session_regenerate_id(true); say(session_id());' . $code,
            ['cloakroom.lock' => $lock, 'cloakroom.lock_ttl' => '2', 'memory_limit' => '256M'],
        );
        $other->tell($id);
        $new = $other->hear();
        if ($what === 'a kill') {
            $other->hear();
            same("$name: a reader without a lock sees what is stored, before", ['user' => 1], stored($id));
            $other->signal(Process::KILL);
        }
        $other->wait();
        same("$name: a reader without a lock sees what is stored", ['user' => 1], stored($id));
        same("$name: the session starts", [true, ''], start($id));
        same("$name: with what is stored", ['user' => 1], $_SESSION);
        $_SESSION['again'] = 1;
        same("$name: and can be written", [true, ''], with_warnings(fn () => session_write_close()));
        if ($what === 'a kill' && getenv('CLOAKROOM_TEST_SERVER') !== false) {
            // The lock of a holder that vanished outlives it there, and who does not wait for it finds the session as it is stored.
            wait_until('the lock expired', function () use ($id): bool {
                start($id);
                $_SESSION['again'] = 1;
                session_write_close();

                return isset(stored($id)['again']);
            });
        }
        same("$name: which is there", ['user' => 1, 'again' => 1], stored($id));
        same("$name: the new id has nothing", [], stored($new));
        start($id);
        check("$name: it gets another id", session_regenerate_id(true) && session_id() !== $id);
        $new = session_id();
        session_write_close();
        same("$name: with all of it", ['user' => 1, 'again' => 1], stored($new));
    }
}
done();
--EXPECT--
99 claims hold
