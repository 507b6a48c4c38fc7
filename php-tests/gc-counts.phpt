--TEST--
session_gc() removes the expired sessions, no others, and answers how many
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

ini_set('session.gc_maxlifetime', '1000');
for ($i = 0; $i < 3; $i++) {
    put("long$i", ['n' => $i]);
}
ini_set('session.gc_maxlifetime', '2');
for ($i = 0; $i < 25; $i++) {
    put("short$i", ['n' => $i]);
}
$written = time();
ini_set('session.gc_maxlifetime', '1000');
wait_until('the short lifetimes were over', fn () => time() > $written + 3);

same('without a session there is no collection', [false, 'session_gc(): Session cannot be garbage collected when there is no active session'], with_warnings(session_gc(...)));
start('collector');
same('the expired sessions are counted', [25, ''], with_warnings(session_gc(...)));
same('once', [0, ''], with_warnings(session_gc(...)));
session_write_close();
foreach (range(0, 2) as $i) {
    same("the live session $i is left", ['n' => $i], stored("long$i"));
}
done();
--EXPECT--
6 claims hold
