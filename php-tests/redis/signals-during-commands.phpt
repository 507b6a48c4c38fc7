--TEST--
Signals that arrive while the server is awaited break nothing
--SKIPIF--
<?php
getenv('CLOAKROOM_TEST_SERVER') || die('skip no server: scripts/run-phpt --redis has one');
function_exists('pcntl_signal') || die('skip this PHP cannot handle signals (no pcntl)');
function_exists('posix_kill') || die('skip this PHP cannot kill (no posix)');
--FILE--
<?php
require __DIR__ . '/server.inc';
use_cloakroom(own_directory());

// PHP installs its handlers so that system calls end early.
$signals = 0;
pcntl_async_signals(true);
pcntl_signal(SIGUSR1, function () use (&$signals): void {
    $signals++;
}, false);
put('counter', ['n' => 0]);
$holder = Process::run('say(start("counter")); hear(); session_write_close(); hear();');
$holder->hear();
$self = getmypid();
$sender = Process::run("say('ready'); for (\$i = 0; \$i < 3000; \$i++) { posix_kill($self, 10); usleep(300); } say('sent'); hear();");
$sender->hear();
ini_set('cloakroom.lock_wait', '20');
wait_until('signals arrive', function () use (&$signals): bool {
    return $signals > 10;
});
$before = $signals;
$cycles = 0;
// The first start waits for the holder, under fire.
$holder->tell('close');
do {
    [$started, $warnings] = start('counter');
    if (!$started || $warnings !== '') {
        echo "FAILED after $cycles cycles: $warnings\n";
        break;
    }
    $_SESSION['n']++;
    session_write_close();
    $cycles++;
} while ($signals < 2000 && $cycles < 20_000);
check('signals came meanwhile', $signals > $before + 100, "$signals");
pcntl_signal(SIGUSR1, SIG_IGN);
same('every cycle counted', ['n' => $cycles], stored('counter'));
done();
--EXPECT--
2 claims hold
