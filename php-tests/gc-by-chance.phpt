--TEST--
Collections by chance leave live sessions alone and reclaim expired ones step by step
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());
ini_set('session.gc_probability', '1');
ini_set('session.gc_divisor', '1');

put('live', ['x' => 1]);
ini_set('session.gc_maxlifetime', '1');
for ($i = 0; $i < 20; $i++) {
    put("short$i", ['x' => $i]);
}
ini_set('session.gc_maxlifetime', '1000');
$problems = '';
wait_until('starts that collect had removed the expired sessions', function () use (&$problems): bool {
    [$started, $warnings] = start('live');
    $problems .= $started ? $warnings : "not started: $warnings";
    session_write_close();

    return Cloakroom\status()['sessions'] === 1;
});
same('they did so silently', '', $problems);
start('live');
same('the live session is left', ['x' => 1], $_SESSION);
same('nothing is left for session_gc()', 0, session_gc());
session_write_close();
done();
--EXPECT--
3 claims hold
