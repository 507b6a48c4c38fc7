--TEST--
What Cloakroom is compared with: phpredis makes five or six round trips for the request for which Cloakroom makes two
--CONFLICTS--
all
--SKIPIF--
<?php
getenv('CLOAKROOM_TEST_SERVER') || die('skip no server: scripts/run-phpt --redis has one');
glob(ini_get('extension_dir') . '/redis.so') || glob('/usr/lib/php/*/redis.so') || die('skip no phpredis: Debian has it as php-redis');
--FILE--
<?php
require __DIR__ . '/server.inc';

const CYCLES = 50;

$script = <<<'PHP'
for ($i = 0; $i < (int) $argv[1]; $i++) {
    session_id('compared');
    session_start();
    $_SESSION['x'] = $i;
    session_write_close();
}
PHP;
$run = function (int $cycles) use ($script): void {
    $socket = substr(getenv('CLOAKROOM_TEST_SERVER'), strlen('redis+unix://'));
    $settings = ['session.save_handler=redis', "session.save_path=\"unix://$socket?persistent=1\"", 'redis.session.locking_enabled=1',
        'session.use_cookies=0', 'session.cache_limiter='];
    $command = [PHP_BINARY, '-n', '-d', 'extension=igbinary', '-d', 'extension=redis'];
    foreach ($settings as $setting) {
        array_push($command, '-d', $setting);
    }
    $process = proc_open([...$command, '-r', $script, '--', (string) $cycles], [1 => ['pipe', 'w'], 2 => ['pipe', 'w']], $pipes);
    same('phpredis says nothing', '', stream_get_contents($pipes[1]) . stream_get_contents($pipes[2]));
    same('phpredis ends well', 0, proc_close($process));
};

// What a process needs once is in both.
$once = calls(fn () => $run(1));
$often = calls(fn () => $run(CYCLES + 1));
$calls = [];
foreach ($often as $command => $count) {
    $calls[$command] = $count - ($once[$command] ?? 0);
}
// Its unlocking is a script, whose own GET and DEL are no round trips but are counted.
$scripts = ($calls['eval'] ?? 0) + ($calls['evalsha'] ?? 0);
$round_trips = array_sum($calls) - 2 * $scripts;
same('scripts called', CYCLES, $scripts);
same('five or six round trips a cycle', true, in_array($round_trips, [5 * CYCLES, 6 * CYCLES], true));
done();
--EXPECT--
6 claims hold
