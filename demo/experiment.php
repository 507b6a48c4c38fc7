<?php
/*
 * The experiment with requests that overlap: what its requests do with one session, and what is left of it afterwards.
 *
 * The session is another one than the visitor's, because in the mode "none" it is meant to lose something. Times are
 * read from the monotonic clock, which all processes of a machine share, and told in milliseconds.
 */
declare(strict_types=1);

const REQUESTS = 12;

/** Mode => its name on the page, and the two sentences that say what one sees. */
const MODES = [
    'exclusive' => [
        'Exclusive',
        'One request at a time: each waits for the lock until the one before has written, and is woken at that moment. '
            . 'Nothing is lost, and the last answer comes when all the others have had their turn.',
    ],
    'merge' => [
        'Merge',
        'Nobody waits: all have the session open at the same time, and each one\'s changes are merged into what the '
            . 'others have stored. All keys are kept; the counter is no sum, because it is one value that every request '
            . 'has set to what it had read plus one.',
    ],
    'none' => [
        'None',
        'Nobody waits, and each request stores the whole session as it knows it, so that the last one wins. Keys that '
            . 'others have added meanwhile are lost, and so are their steps of the counter.',
    ],
    'readers' => [
        'Readers',
        'Request 1 holds the lock while the other eleven start with read_and_close: they read what was committed last, '
            . 'do not wait, and are done long before it. Readers cannot write, so the key of request 1 is the only one.',
    ],
];

/** What of Cloakroom\status() the page compares before and after. */
const COUNTED = ['waits', 'merges', 'merge_conflicts', 'merge_fallbacks'];

/** Milliseconds that a request works: not the same for all, so that "last" means something. */
function working_time(string $mode, int $number): int
{
    return $mode === 'readers' && $number === 1 ? 900 : 180 + 10 * $number;
}

function milliseconds(): float
{
    return hrtime(true) / 1e6;
}

/** The session of the experiment. */
function begin_experiment(array $options): bool
{
    return begin_session('cloakroom_overlap', $options);
}

/** Empties the session for a new run; answers the run's name, or null when the session cannot be had. */
function prepare(): ?array
{
    if (!begin_experiment(['cloakroom_lock' => 'exclusive'])) {
        return null;
    }
    $_SESSION = ['run' => bin2hex(random_bytes(8)), 'counter' => 0];
    $run = $_SESSION['run'];
    return session_write_close() ? ['run' => $run, 'figures' => figures()] : null;
}

/** One of the requests that overlap; null when the session cannot be had, or belongs to another run. */
function take_part(string $mode, int $number, string $run, float $arrived): ?array
{
    $reads = $mode === 'readers' && $number > 1;
    $lock = $mode === 'readers' ? 'exclusive' : $mode;
    $asked = milliseconds();
    if (!begin_experiment($reads ? ['read_and_close' => true] : ['cloakroom_lock' => $lock])) {
        return null;
    }
    $started = milliseconds();
    if (($_SESSION['run'] ?? null) !== $run) {
        return null;
    }
    // The head of the answer tells the page that this request has the session.
    echo "\n";
    flush();

    $count = $_SESSION['counter'];
    usleep(1000 * working_time($mode, $number));
    $ending = milliseconds();
    $written = false;
    if (!$reads) {
        $_SESSION["key_$number"] = true;
        $_SESSION['counter'] = $count + 1;
        $ending = milliseconds();
        $written = session_write_close();
    }
    return [
        'number' => $number,
        'reads' => $reads,
        'written' => $written,
        'arrived' => $arrived,
        'asked' => $asked,
        'started' => $started,
        'ending' => $ending,
        'closed' => milliseconds(),
    ];
}

/** What is in the session when all requests are over; null when it cannot be had. */
function outcome(): ?array
{
    if (!begin_experiment(['read_and_close' => true])) {
        return null;
    }
    $kept = array_filter(range(1, REQUESTS), fn (int $number): bool => isset($_SESSION["key_$number"]));
    return ['kept' => array_values($kept), 'counter' => $_SESSION['counter'] ?? 0, 'figures' => figures()];
}

/** The figures of the store that the page compares. */
function figures(): array
{
    $status = function_exists('Cloakroom\status') ? Cloakroom\status() : [];
    return array_intersect_key($status, array_flip(COUNTED));
}
