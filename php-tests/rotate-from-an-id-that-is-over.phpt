--TEST--
session_regenerate_id() from an id that another request ended or replaced meanwhile changes nothing, says true and sends no cookie
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

/** What another request does to the session meanwhile, without waiting for its lock. */
$by_others = [
    'logs out' => 'start(hear()); session_destroy(); say(1);',
    'replaces the id' => 'start(hear()); session_regenerate_id(true); session_write_close(); say(1);',
    'replaces the id and logs out' => 'start(hear()); session_regenerate_id(true); session_destroy(); say(1);',
    'destroys it with an object' => '(new Cloakroom\SessionHandler())->destroy(hear()); say(1);',
];
foreach (['merge', 'none', 'exclusive'] as $lock) {
    ini_set('cloakroom.lock', $lock);
    foreach ($by_others as $what => $code) {
        if ($lock === 'exclusive' && $what !== 'destroys it with an object') {
            // Those wait for the lock.
            continue;
        }
        foreach ([true, false] as $deletes) {
            $name = "$lock, another request $what, " . ($deletes ? 'deleting' : 'keeping');
            $id = session_create_id();
            put($id, ['user' => 1]);
            start($id);
            $other = Process::run($code, ['cloakroom.lock' => $lock]);
            $other->tell($id);
            $other->hear();
            $other->wait();
            $before = Cloakroom\status()['refused_writes'];
            $_SESSION['more'] = 1;
            same("$name: says true", [true, ''], with_warnings(fn () => session_regenerate_id($deletes)));
            same("$name: keeps the id", $id, session_id());
            same("$name: writes without a warning", [true, ''], with_warnings(fn () => session_write_close()));
            same("$name: what was written is counted", $before + 1, Cloakroom\status()['refused_writes']);
            check("$name: nothing is stored", !isset(stored($id)['more']));
        }
    }
}
ini_restore('cloakroom.lock');

// The errors are PHP's own.
put('a', ['user' => 1]);
start('a');
(new Cloakroom\SessionHandler())->destroy('a');
try {
    session_regenerate_id([]);
} catch (TypeError $error) {
    matches('a wrong argument is refused as ever', '/^session_regenerate_id\(\): Argument #1 \(\$delete_old_session\) must be of type bool, array given$/', $error->getMessage());
}
try {
    session_regenerate_id(true, true);
} catch (ArgumentCountError $error) {
    matches('too many arguments are refused as ever', '/^session_regenerate_id\(\) expects at most 1 argument, 2 given$/', $error->getMessage());
}
session_abort();
matches('without a session it fails as ever', '/Session ID cannot be regenerated when there is no active session/', with_warnings(fn () => session_regenerate_id(true))[1]);
same('and is PHP\'s own function by name', 'session', (new ReflectionFunction('session_regenerate_id'))->getExtensionName());
done();
--EXPECT--
94 claims hold
