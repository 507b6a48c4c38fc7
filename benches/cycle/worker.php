<?php
/*
 * One process, one handler, one payload size: runs cycles, times them and prints the figures as JSON.
 *
 * A cycle is session_start() + one changed key + session_write_close(), on SESSIONS sessions in rotation. The
 * sessions hold a counter that every cycle increments, so afterwards the handler can be held to account: each
 * counter must equal the number of cycles its session has seen, or the figures describe a handler that lost data.
 * The cycle is written out wherever it runs: calling a function for it would cost a tenth of the floor.
 *
 * Arguments, as name=value: bytes (payload size), start (cycles each session has seen before), seconds (how long to
 * measure; 0 = only run one rotation), tag (which set of sessions).
 */
const SESSIONS = 100;
const MOST_BATCHES = 4000;
const MOST_SINGLES = 20000;
const SINGLES_PER_BATCH = 20;

parse_str(implode('&', array_slice($argv, 1)), $options);
$bytes = (int) $options['bytes'];
$seen = (int) $options['start'];
$seconds = (float) $options['seconds'];

$ids = [];
for ($i = 0; $i < SESSIONS; $i++) {
    $ids[] = substr(hash('sha256', "{$options['tag']}/$bytes/$i"), 0, 32);
}
$filling = substr(str_repeat(hash('sha512', 'payload'), intdiv($bytes, 128) + 1), 0, $bytes);

if ($seen === 0) {
    foreach ($ids as $id) {
        session_id($id);
        session_start() || fail('session_start() failed while the sessions were created');
        $_SESSION['n'] = 0;
        $_SESSION['filling'] = $filling;
        session_write_close() || fail('session_write_close() failed while the sessions were created');
    }
}

// The first rotation of a process that has touched nothing yet (unless it had to create the sessions).
$before = hrtime(true);
foreach ($ids as $id) {
    session_id($id);
    session_start();
    $_SESSION['n']++;
    session_write_close();
}
$first = (hrtime(true) - $before) / SESSIONS;
$seen++;

$batches = $singles = [];
if ($seconds > 0) {
    // Allocated up front: growing them would show up in the figures.
    $batches = array_fill(0, MOST_BATCHES, 0);
    $singles = array_fill(0, MOST_SINGLES, 0);
    $seen += warm_up($ids, $seconds / 5);
    $seen += measure($ids, $seconds, $batches, $singles);
}
verify($ids, $seen, $filling);

sort($batches);
sort($singles);
echo json_encode([
    'module' => session_module_name(),
    'cycles' => $seen,
    'first' => $first,
    'median' => quantile($batches, 0.5),
    'p99' => quantile($singles, 0.99),
]);

/** Runs whole rotations for so many seconds and answers how many it was. */
function warm_up(array $ids, float $seconds): int
{
    $rotations = 0;
    $end = hrtime(true) + (int) ($seconds * 1e9);
    while (hrtime(true) < $end) {
        foreach ($ids as $id) {
            session_id($id);
            session_start();
            $_SESSION['n']++;
            session_write_close();
        }
        $rotations++;
    }

    return $rotations;
}

/**
 * Runs whole rotations until the time or the room for figures is over and answers how many it was.
 *
 * Batches (a rotation under one pair of clock readings) give the median without the cost of the clock; single
 * cycles give the tail, which a batch would average away. The first few cycles of every second rotation are taken
 * singly.
 */
function measure(array $ids, float $seconds, array &$batches, array &$singles): int
{
    $rotations = $batch = $single = 0;
    $end = hrtime(true) + (int) ($seconds * 1e9);
    while ($batch < MOST_BATCHES && hrtime(true) < $end) {
        $before = hrtime(true);
        foreach ($ids as $id) {
            session_id($id);
            session_start();
            $_SESSION['n']++;
            session_write_close();
        }
        $batches[$batch++] = (hrtime(true) - $before) / SESSIONS;

        foreach ($ids as $i => $id) {
            if ($i < SINGLES_PER_BATCH && $single < MOST_SINGLES) {
                $before = hrtime(true);
                session_id($id);
                session_start();
                $_SESSION['n']++;
                session_write_close();
                $singles[$single++] = hrtime(true) - $before;
            } else {
                session_id($id);
                session_start();
                $_SESSION['n']++;
                session_write_close();
            }
        }
        $rotations += 2;
    }
    $batches = array_slice($batches, 0, $batch);
    $singles = array_slice($singles, 0, $single);

    return $rotations;
}

/** Every session holds what the cycles should have left in it. */
function verify(array $ids, int $cycles, string $filling): void
{
    foreach ($ids as $number => $id) {
        session_id($id);
        session_start() || fail("session $number cannot be read back");
        $counted = $_SESSION['n'] ?? 'nothing';
        $whole = ($_SESSION['filling'] ?? null) === $filling;
        session_abort();
        $counted === $cycles || fail("session $number counted $counted cycles instead of $cycles");
        $whole || fail("session $number has another payload than was put into it");
    }
}

function quantile(array $sorted, float $share): ?float
{
    return $sorted ? (float) $sorted[(int) floor($share * (count($sorted) - 1))] : null;
}

function fail(string $what): never
{
    fwrite(STDERR, $what . "\n");
    exit(1);
}
