--TEST--
A request makes two round trips, a request that only reads makes one
--CONFLICTS--
all
--SKIPIF--
<?php getenv('CLOAKROOM_TEST_SERVER') || die('skip no server: scripts/run-phpt --redis has one');
--FILE--
<?php
require __DIR__ . '/server.inc';
use_cloakroom(own_directory());

const CYCLES = 50;

/** Calls of scripts by these cycles. The counters of status() go with them, so no other command is a round trip. */
function round_trips(string $what, int $expected, callable $cycle): void
{
    // Connects, and loads the scripts.
    $cycle(0);
    $calls = calls(function () use ($cycle): void {
        for ($i = 1; $i <= CYCLES; $i++) {
            $cycle($i);
        }
    });
    same("$what: scripts called", $expected * CYCLES, ($calls['evalsha'] ?? 0) + ($calls['eval'] ?? 0));
    // What scripts call is counted as well, and they call none of these.
    $others = array_intersect_key($calls, array_flip(['blpop', 'auth', 'select', 'client|setinfo', 'ping']));
    same("$what: nothing is waited for, nothing connected anew", [], $others);
}

function cycle(string $id, string $value, array $options = []): void
{
    session_id($id);
    session_start($options);
    $_SESSION['x'] = $value;
    session_write_close();
}

foreach (['exclusive', 'merge', 'none'] as $lock) {
    ini_set('cloakroom.lock', $lock);
    in_both_modes(function (string $mode) use ($lock): void {
        put('known', ['x' => 'before']);
        round_trips("$lock, $mode, a changed session", 2, fn (int $i) => cycle('known', "value $i"));
        round_trips("$lock, $mode, an unchanged session", 2, fn () => cycle('known', 'value ' . CYCLES));
        round_trips("$lock, $mode, read_and_close", 1, fn () => session_id('known') && session_start(['read_and_close' => true]));
    });
    ini_set('session.use_strict_mode', '0');
    round_trips("$lock, a new session", 2, function (int $i) use ($lock): void {
        session_id('');
        session_start();
        $_SESSION['x'] = $i;
        session_write_close();
    });
}
ini_set('cloakroom.lock', 'exclusive');
round_trips('a session that is destroyed', 2, function (): void {
    session_id('ended');
    session_start();
    session_destroy();
});
// The test's own is the other one.
same('all that made one connection', 2, substr_count(ask_server('CLIENT', 'LIST'), "\n"));
done();
--EXPECT--
45 claims hold
