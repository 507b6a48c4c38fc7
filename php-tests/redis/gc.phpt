--TEST--
Expired sessions are gone from the server without any collection, which finds nothing to do
--SKIPIF--
<?php getenv('CLOAKROOM_TEST_SERVER') || die('skip no server: scripts/run-phpt --redis has one');
--FILE--
<?php
require __DIR__ . '/server.inc';
use_cloakroom(own_directory());

ini_set('session.gc_maxlifetime', '1');
for ($i = 0; $i < 10; $i++) {
    put("short$i", ['x' => 1]);
}
ini_set('session.gc_maxlifetime', '3600');
put('long', ['x' => 1]);
$sessions = fn () => count(preg_grep('/\}$/', names_on_server()));
wait_until('the expired sessions had left the server', fn () => $sessions() === 1);
session_start();
same('session_gc() finds nothing', 0, session_gc());
same('nor does the object', 0, (new Cloakroom\SessionHandler())->gc(1));
session_abort();
same('the other one is there', ['x' => 1], stored('long'));
done();
--EXPECT--
3 claims hold
