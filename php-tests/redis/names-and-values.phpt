--TEST--
Neither ids nor namespaces are on the server, and each application has only names with its prefix
--SKIPIF--
<?php getenv('CLOAKROOM_TEST_SERVER') || die('skip no server: scripts/run-phpt --redis has one');
--FILE--
<?php
require __DIR__ . '/server.inc';
use_cloakroom(own_directory());

const ID = 'an-id-that-would-show';
put(ID, ['x' => 'payload that can be found']);
[$started] = start(ID);
same('it starts', true, $started);
$names = names_on_server();
sort($names);
same('while it is open: session, lock, counters', 3, count($names));
foreach ($names as $name) {
    check('a name holds no id', !str_contains($name, 'an-id'));
}
[$session, $lock] = array_values(preg_grep('/\}/', $names));
matches('22 characters in braces', '/:\{[\w-]{22}\}$/', $session);
same('the lock beside it', "$session:l", $lock);
$value = ask_server('GET', $session);
same('header and payload', 112 + strlen(session_encode()), strlen($value));
check('the payload is there as it is', str_contains($value, 'payload that can be found'));
check('without the id', !str_contains($value, 'an-id'));
check('the lock tells who holds it', str_contains(ask_server('GET', $lock), basename(__FILE__)));
check('it expires', ask_server('PTTL', $lock) <= 10_000);
$lives = ask_server('TTL', $session);
check('so does the session', $lives > 0 && $lives <= (int) ini_get('session.gc_maxlifetime'), "$lives");
session_destroy();
$ended = array_values(preg_grep('/\}/', names_on_server()));
same('an ended session leaves its tombstone', ["$session:t"], $ended);
done();
--EXPECT--
14 claims hold
