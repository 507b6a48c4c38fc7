--TEST--
Signals and the time limit neither end a wait for the lock early nor lose the session
--SKIPIF--
<?php function_exists('pcntl_alarm') || die('skip this PHP cannot handle signals (no pcntl)');
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

start('held');
$_SESSION['x'] = 'from the holder';
$waiting = Process::run(<<<'PHP'
    // Thread-safe builds since PHP 8.3 count the time that passes, so a wait that is over ends the script there.
    set_time_limit(ZEND_THREAD_SAFE && PHP_VERSION_ID >= 80300 ? 60 : 1);
    pcntl_async_signals(true);
    $signals = 0;
    pcntl_signal(SIGUSR1, function () use (&$signals): void { $signals++; });
    pcntl_signal(SIGALRM, function () use (&$signals): void { $signals++; });
    pcntl_alarm(1);
    say('waits');
    $started = start('held');
    say([$started, $signals, $_SESSION]);
    $_SESSION['x'] = 'from the one that waited';
PHP);
same('another process starts', 'waits', $waiting->hear());
$waiting->sleeps();
$begun = time();
foreach (range(1, 20) as $time) {
    $waiting->signal(SIGUSR1);
    $waiting->sleeps();
}
wait_until('the alarm and the time limit were over', fn () => time() > $begun + 2);
same('it still waits', null, $waiting->status());
session_write_close();
[$started, $signals, $data] = $waiting->hear();
same('then it gets the lock', [true, ''], $started);
check('its signals were handled afterwards', $signals > 0);
same('it finds the data', ['x' => 'from the holder'], $data);
same('it ends normally', 0, $waiting->wait());
same('and its session is stored and free', ['x' => 'from the one that waited'], found_free('held'));
done();
--EXPECT--
7 claims hold
