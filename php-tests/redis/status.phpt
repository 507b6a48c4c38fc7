--TEST--
Cloakroom\status() counts what all processes did with the sessions on a server
--SKIPIF--
<?php getenv('CLOAKROOM_TEST_SERVER') || die('skip no server: scripts/run-phpt --redis has one');
--FILE--
<?php
require __DIR__ . '/server.inc';
use_cloakroom(own_directory());

$before = Cloakroom\status();
same('store, lock and counters', [
    'store', 'lock', 'sessions', 'reads', 'writes', 'touches', 'creates', 'destroys', 'refused_writes', 'rewritten', 'locks_lost',
    'corrupt', 'merges', 'merge_conflicts', 'merge_fallbacks', 'migrated', 'waits', 'wait_timeouts', 'wait_microseconds', 'waits_below_100us',
    'waits_below_1ms', 'waits_below_10ms', 'waits_below_100ms', 'waits_below_1s', 'waits_below_10s', 'waits_from_10s',
    'server_memory', 'server_memory_limit', 'evicted_keys', 'expired_keys', 'clients',
], array_keys($before));
same('the address without options', strtok(session_save_path(), '?'), $before['store']);

/** What became more since the last call. */
function counted(): array
{
    static $last = null;
    $now = array_diff_key(Cloakroom\status(), array_flip(['store', 'lock', 'server_memory', 'expired_keys', 'clients']));
    $more = array_filter(array_map(fn ($now, $then) => $now - $then, $now, $last ?? $now));
    $names = array_keys($now);
    $last = $now;

    return array_combine(array_map(fn (int $place) => $names[$place], array_keys($more)), $more);
}

same('nothing yet', [], counted());
put('a', ['x' => 1]);
same('a new session', ['sessions' => 1, 'reads' => 1, 'writes' => 1, 'creates' => 1], counted());
stored('a');
same('a look', ['reads' => 1], counted());
start('a');
session_write_close();
same('an unchanged session', ['reads' => 1, 'touches' => 1], counted());
$slow = Process::run('start("a"); $_SESSION["x"] = 2; say("open"); hear(); session_write_close(); say("closed"); hear();');
$slow->hear();
ini_set('cloakroom.lock_wait', '0');
same('a wait in vain', false, start('a')[0]);
session_id('a');
(new Cloakroom\SessionHandler())->destroy('a');
$slow->tell('close');
$slow->hear();
$counted = counted();
same('it is counted', 1, $counted['wait_timeouts'] ?? 0);
same('so is the end of the session', [1, -1], [$counted['destroys'] ?? 0, $counted['sessions'] ?? 0]);
start('b');
$key = preg_grep('/\}$/', names_on_server());
ask_server('DEL', ...$key);
$_SESSION['x'] = 1;
session_write_close();
same('a session that the server lost', ['sessions' => 1, 'reads' => 1, 'writes' => 1, 'creates' => 1, 'rewritten' => 1], counted());
done();
--EXPECT--
10 claims hold
