<?php
/*
 * How long it takes from the release of a session by one process to the return of session_start() in the next one,
 * which waits for it already: for each handler that locks, and for a bare futex.
 *
 * Called by benches/run. Options: --rounds=N --samples=N --handlers=LIST --check --markdown.
 */
require __DIR__ . '/../text.php';
require __DIR__ . '/../cycle/handlers.php';
require __DIR__ . '/pair.php';

/** How many milliseconds a waiter waits at least: less, and it might not sleep yet. */
const SETTLING = 1;
/** And at most so many more, drawn anew for each hand-over: the time between two polls of a handler that polls. */
const SPREADS = ['memcached' => 150];
const SPREAD = 20;
/** Who polls seldom gets fewer samples, because each of them takes longer. */
const SHARE_OF_SAMPLES = ['memcached' => 0.4];

/** One handler: how its processes are run, and what was measured. */
final class Contest
{
    /** @var list<list<int>> the latencies of each round, in nanoseconds */
    public array $rounds = [];
    public ?string $problem = null;

    /** @param Closure(string): list<string> $command the command of a process, for a name of the round's session */
    public function __construct(public readonly string $name, public readonly string $label, private readonly Closure $command)
    {
    }

    public function round(int $number, int $samples): void
    {
        try {
            // Ids of 32 digits and letters are what every handler takes.
            $session = substr(hash('sha256', "hand-over/$this->name/$number/" . getmypid()), 0, 32);
            $pair = new Pair(($this->command)($session));
            $samples = max(1, (int) ceil($samples * (SHARE_OF_SAMPLES[$this->name] ?? 1)));
            $this->rounds[] = $pair->latencies($samples, SETTLING, SPREADS[$this->name] ?? SPREAD);
        } catch (RuntimeException $problem) {
            $this->problem = $problem->getMessage();
        }
    }

    public function median(): float
    {
        return median(array_map(median(...), $this->rounds));
    }

    /** Of all samples, because a round has too few. */
    public function p99(): float
    {
        $all = array_merge(...$this->rounds);
        sort($all);

        return $all[(int) floor(0.99 * (count($all) - 1))];
    }
}

/**
 * The handlers that lock, by name; the floor with the file in which it keeps this session. phpredis comes twice: polling
 * as often as it does by default up to version 5, and as it does since. How often it polls until it gives up is raised,
 * because it goes on without the lock then.
 *
 * @return array<string, Handler>
 */
function locking_handlers(string $session): array
{
    $handlers = array_column(all_handlers(), null, 'name');
    $redis = $handlers['redis-locked'];
    $polling = fn (int $ms) => new Handler("redis-$ms-ms", "phpredis, polls every $ms ms", $redis->extensions, [
        'redis.session.lock_wait_time' => (string) ($ms * 1000),
        'redis.session.lock_retries' => '1000',
    ] + $redis->ini, $redis->missing);
    $floor = new Handler('floor', 'PHP with a bare futex', [(string) getenv('BENCH_HANDOVER_FLOOR')], [
        'session.save_handler' => 'handover_floor',
        'session.save_path' => getenv('BENCH_SCRATCH') . "/floor-$session",
    ]);

    return array_column([$floor, $handlers['cloakroom-tmpfs'], $handlers['files-tmpfs'], $handlers['cloakroom-redis'], $polling(2), $polling(20), $handlers['memcached']], null, 'name');
}

/** @return list<Contest> */
function contests(?array $wanted): array
{
    $memory = getenv('BENCH_SCRATCH');
    $futex = getenv('BENCH_FUTEX');
    $contests = [new Contest('futex', 'bare futex', fn (string $session) => [$futex, "$memory/$session"])];
    $store = (string) getenv('BENCH_STORE');
    if ($store === '') {
        fwrite(STDERR, "left out: cloakroom's store without PHP (its program is not built, and cargo is not there)\n");
    } else {
        $place = getenv('BENCH_TMPFS') ?: $memory;
        $contests[] = new Contest('store', "cloakroom's store, without PHP", fn (string $session) => [$store, "$place/cloakroom", $session]);
    }
    foreach (locking_handlers('') as $name => $handler) {
        if ($handler->missing !== null) {
            fwrite(STDERR, "left out: $handler->label ($handler->missing)\n");
            continue;
        }
        $contests[] = new Contest($name, $handler->label, fn (string $session) => [
            ...locking_handlers($session)[$name]->command(), __DIR__ . '/contender.php', $session,
        ]);
    }

    return array_values(array_filter($contests, fn (Contest $contest) => $wanted === null || in_array($contest->name, $wanted, true)));
}

/** @param list<Contest> $contests */
function report(array $contests, Text $text): void
{
    $text->heading('Hand-over: from the release by one process to the return of session_start() in the next, which waits');
    $by_name = array_column($contests, null, 'name');
    $futex = $by_name['futex'] ?? null;
    $floor = $by_name['floor'] ?? null;
    $lines = [['handler', 'median', 'rounds', 'p99', '× futex', '× floor', 'hand-overs']];
    foreach ($contests as $contest) {
        $medians = array_map(median(...), $contest->rounds);
        $lines[] = [
            $contest->label,
            micro($contest->median()),
            micro(min($medians)) . '–' . micro(max($medians)),
            micro($contest->p99()),
            $futex ? ratio($contest->median() / $futex->median()) : '',
            $floor ? ratio($contest->median() / $floor->median()) : '',
            (string) count(array_merge(...$contest->rounds)),
        ];
    }
    $text->table($lines);
    echo "\nMicroseconds, two processes, payload 1 KB. The waiter has waited for " . SETTLING . ' to ' . SETTLING + SPREAD
        . " ms, with a handler that polls for\nas long as it takes between two polls.\n";
    $targets = [];
    foreach (['store' => $futex, 'cloakroom-tmpfs' => $floor] as $name => $yardstick) {
        if (isset($by_name[$name]) && $yardstick) {
            $times = $by_name[$name]->median() / $yardstick->median();
            $targets[] = verdict($times <= 2) . ": {$by_name[$name]->label}: at most 2 times \"$yardstick->label\" (" . ratio($times) . ')';
        }
    }
    $targets && $text->list('Targets', $targets);
}

$options = getopt('', ['rounds:', 'samples:', 'handlers:', 'check', 'markdown']);
$contests = contests(($options['handlers'] ?? '') === '' ? null : explode(',', $options['handlers']));
for ($round = 1; $round <= (int) $options['rounds']; $round++) {
    progress("hand-over, round $round of {$options['rounds']}");
    foreach ($round % 2 ? $contests : array_reverse($contests) as $contest) {
        $contest->problem === null && $contest->round($round, (int) $options['samples']);
    }
}
progress('');

$failed = array_filter($contests, fn (Contest $contest) => $contest->problem !== null);
foreach ($failed as $contest) {
    fwrite(STDERR, "FAILED hand-over, $contest->label: $contest->problem\n");
}
if (isset($options['check'])) {
    foreach (array_udiff($contests, $failed, fn ($one, $other) => $one->name <=> $other->name) as $contest) {
        $number = count(array_merge(...$contest->rounds));
        echo "ok: hand-over, $contest->label: $number times to the one that waited, with what the other wrote\n";
    }
    echo count($contests) - count($failed), ' passed, ', count($failed), " failed\n";
} elseif (!$failed && $contests) {
    report($contests, new Text(isset($options['markdown'])));
}
exit($failed ? 1 : 0);
