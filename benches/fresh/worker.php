<?php
/*
 * One process on a store of many sessions. A cycle is session_start() + one changed key + session_write_close() on a
 * session chosen at random; sessions hold a counter.
 *
 * Arguments, as name=value: do (fill: make the sessions; cycle: time the first 100 cycles, the next 900, the next 9,000
 * and then as many again, warm; sum: read all sessions back and add up their counters), sessions, bytes, seed.
 */
parse_str(implode('&', array_slice($argv, 1)), $options);
$sessions = (int) $options['sessions'];
$bytes = (int) $options['bytes'];
mt_srand((int) ($options['seed'] ?? 0));

function id(int $number): string
{
    return substr(hash('sha256', "fresh/$number"), 0, 32);
}

function fail(string $what): never
{
    fwrite(STDERR, $what . "\n");
    exit(1);
}

if ($options['do'] === 'fill') {
    $filling = substr(str_repeat(hash('sha512', 'payload'), intdiv($bytes, 128) + 1), 0, $bytes);
    for ($number = 0; $number < $sessions; $number++) {
        session_id(id($number));
        session_start() || fail('session_start() failed while the sessions were created');
        $_SESSION['n'] = 0;
        $_SESSION['filling'] = $filling;
        session_write_close() || fail('session_write_close() failed while the sessions were created');
    }
    echo json_encode(['filled' => $sessions]);
    exit(0);
}

if ($options['do'] === 'sum') {
    $sum = 0;
    for ($number = 0; $number < $sessions; $number++) {
        session_id(id($number));
        session_start(['read_and_close' => true]) || fail("session $number cannot be read back");
        strlen($_SESSION['filling'] ?? '') === $bytes || fail("session $number has another payload than was put into it");
        $sum += $_SESSION['n'];
    }
    echo json_encode(['sum' => $sum]);
    exit(0);
}

// Everything but the sessions is ready before the clock runs.
$parts = ['first 100' => 100, 'next 900' => 900, 'next 9000' => 9000, 'warm' => 9000];
$ids = [];
foreach ($parts as $count) {
    for ($i = 0; $i < $count; $i++) {
        $ids[] = id(mt_rand(0, $sessions - 1));
    }
}
// The warm part meets sessions that this process has met before.
array_splice($ids, 10000, 9000, array_slice($ids, 1000, 9000));
$figures = [];
$at = 0;
foreach ($parts as $name => $count) {
    $end = $at + $count;
    $before = hrtime(true);
    for (; $at < $end; $at++) {
        session_id($ids[$at]);
        session_start();
        $_SESSION['n']++;
        session_write_close();
    }
    $figures[$name] = (hrtime(true) - $before) / $count;
}
echo json_encode(['module' => session_module_name(), 'cycles' => array_sum($parts), 'figures' => $figures]);
