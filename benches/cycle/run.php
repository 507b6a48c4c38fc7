<?php
/*
 * Runs the rounds: every handler in a process of its own, all handlers interleaved, payload by payload, so that what
 * disturbs the machine for a while disturbs all of them alike. Afterwards a last process per handler reads all
 * sessions back and counts: a handler that lost data makes the whole run fail.
 *
 * Called by benches/run, which prepares the places and servers. Options: --rounds=N --seconds=S --payloads=LIST
 * --handlers=LIST --check --markdown.
 */
require __DIR__ . '/handlers.php';
require __DIR__ . '/report.php';

/** What the rounds of one handler with one payload size gave, in nanoseconds. */
final class Figures
{
    private array $medians = [];
    private array $p99s = [];
    private array $firsts = [];
    /** How many cycles each session has seen. */
    public int $cycles = 0;

    public function __construct(public readonly Handler $handler)
    {
    }

    public function add(array $round): void
    {
        $this->medians[] = $round['median'];
        $this->p99s[] = $round['p99'];
        // The very first process of a handler created the sessions right before.
        if ($this->cycles > 0) {
            $this->firsts[] = $round['first'];
        }
        $this->cycles = $this->handler->shared ? $round['cycles'] : 0;
    }

    public function median(): float
    {
        return median($this->medians);
    }

    public function fastest(): float
    {
        return min($this->medians);
    }

    public function slowest(): float
    {
        return max($this->medians);
    }

    public function p99(): float
    {
        return median($this->p99s);
    }

    /** Null where no process began with sessions that were there already, as always on the floor. */
    public function first(): ?float
    {
        return $this->firsts ? median($this->firsts) : null;
    }
}

/** Runs one process to its end; throws where it failed, warned, or ran under another handler. */
function run_worker(Handler $handler, int $bytes, int $start, float $seconds): array
{
    $command = [...$handler->command(), __DIR__ . '/worker.php', "bytes=$bytes", "start=$start", "seconds=$seconds", "tag=$handler->name"];
    $process = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
    $figures = stream_get_contents($pipes[1]);
    $complaints = trim(stream_get_contents($pipes[2]));
    $code = proc_close($process);
    if ($code !== 0 || $complaints !== '') {
        throw new RuntimeException($complaints !== '' ? $complaints : "exit code $code");
    }
    $round = json_decode($figures, true, flags: JSON_THROW_ON_ERROR);
    if ($round['module'] !== $handler->ini['session.save_handler']) {
        throw new RuntimeException("ran under the handler {$round['module']}");
    }

    return $round;
}

/** What of the machine bears on the figures. */
function machine_facts(): array
{
    $cpu = preg_match('/^model name\s*:\s*(.+)$/m', (string) @file_get_contents('/proc/cpuinfo'), $match) ? $match[1] : php_uname('m');
    $cores = preg_match_all('/^processor\s*:/m', (string) @file_get_contents('/proc/cpuinfo'));
    $facts = [
        'machine' => "$cores cores, $cpu",
        'kernel' => php_uname('s') . ' ' . php_uname('r'),
        'PHP' => PHP_VERSION . (PHP_ZTS ? ' ZTS' : ' NTS') . (PHP_DEBUG ? ' debug' : ''),
        'disk' => getenv('BENCH_DISK_TYPE'),
    ];
    foreach (['Redis' => 'BENCH_REDIS_VERSION', 'memcached' => 'BENCH_MEMCACHED_VERSION'] as $name => $variable) {
        if ((string) getenv($variable) !== '') {
            $facts[$name] = getenv($variable);
        }
    }

    return $facts;
}

$options = getopt('', ['rounds:', 'seconds:', 'payloads:', 'handlers:', 'check', 'markdown']);
$rounds = (int) $options['rounds'];
$seconds = (float) $options['seconds'];
$payloads = array_map(intval(...), explode(',', $options['payloads']));
$wanted = ($options['handlers'] ?? '') === '' ? null : explode(',', $options['handlers']);

$handlers = [];
foreach (all_handlers() as $handler) {
    if ($wanted !== null && !in_array($handler->name, $wanted, true)) {
        continue;
    }
    if ($handler->missing !== null) {
        fwrite(STDERR, "left out: $handler->label ($handler->missing)\n");
        continue;
    }
    $handlers[] = $handler;
}
if (!$handlers) {
    fwrite(STDERR, 'no such handler; there are: ' . implode(', ', array_map(fn ($handler) => $handler->name, all_handlers())) . "\n");
    exit(2);
}

$results = $failures = [];
$with = fn (int $bytes) => array_values(array_filter($handlers, fn (Handler $handler) => in_array($handler->payload, [null, $bytes], true)));
foreach ($payloads as $bytes) {
    foreach ($with($bytes) as $handler) {
        $results[$bytes][$handler->name] = new Figures($handler);
    }
}
$attempt = function (Handler $handler, int $bytes, float $seconds) use (&$results, &$failures): void {
    $name = "$handler->label, " . size_label($bytes);
    if (isset($failures[$name])) {
        return;
    }
    $figures = $results[$bytes][$handler->name];
    try {
        $round = run_worker($handler, $bytes, $figures->cycles, $seconds);
        $seconds > 0 && $figures->add($round);
    } catch (RuntimeException | JsonException $problem) {
        $failures[$name] = $problem->getMessage();
    }
};
for ($round = 1; $round <= $rounds; $round++) {
    foreach ($payloads as $bytes) {
        progress("round $round of $rounds, " . size_label($bytes));
        // Each round begins with another handler, and every other round runs backwards.
        $these = $with($bytes);
        $begin = $these ? $round % count($these) : 0;
        $order = [...array_slice($these, $begin), ...array_slice($these, 0, $begin)];
        foreach ($round % 2 ? $order : array_reverse($order) as $handler) {
            $attempt($handler, $bytes, $seconds);
        }
    }
}
foreach ($payloads as $bytes) {
    foreach ($with($bytes) as $handler) {
        $handler->shared && $attempt($handler, $bytes, 0);
    }
}
progress('');

foreach ($failures as $name => $problem) {
    fwrite(STDERR, "FAILED $name: $problem\n");
}
if (isset($options['check'])) {
    $all = array_sum(array_map(count(...), $results));
    foreach ($payloads as $bytes) {
        foreach ($with($bytes) as $handler) {
            $name = "$handler->label, " . size_label($bytes);
            isset($failures[$name]) || print("ok: $name: every session counted every cycle\n");
        }
    }
    echo $all - count($failures), ' passed, ', count($failures), " failed\n";
} elseif (!$failures) {
    (new Report($results, machine_facts(), new Text(isset($options['markdown']))))->print();
}
exit($failures ? 1 : 0);
