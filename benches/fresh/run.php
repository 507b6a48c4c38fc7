<?php
/*
 * What a process that has just started pays on a store of many sessions: a new process for each round, handlers in
 * turn, and in the end the sessions' counters must add up to the cycles.
 *
 * Called by benches/run, which prepares the places. Options: --rounds=N --sessions=N --handlers=LIST --check
 * --markdown.
 */
require __DIR__ . '/../cycle/handlers.php';
require __DIR__ . '/../text.php';

const BYTES = 1024;
const PARTS = ['first 100', 'next 900', 'next 9000', 'warm'];
const COMPARED = ['cloakroom-tmpfs', 'cloakroom-disk', 'files-tmpfs', 'files-disk'];

/** Runs one process to its end; throws where it failed or warned. */
function run_part(Handler $handler, string $do, int $sessions, int $seed = 0): array
{
    $command = [...$handler->command(), __DIR__ . '/worker.php', "do=$do", "sessions=$sessions", 'bytes=' . BYTES, "seed=$seed"];
    $process = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
    $figures = stream_get_contents($pipes[1]);
    $complaints = trim(stream_get_contents($pipes[2]));
    $code = proc_close($process);
    if ($code !== 0 || $complaints !== '') {
        throw new RuntimeException("$handler->label, $do: " . ($complaints !== '' ? $complaints : "exit code $code"));
    }

    return json_decode($figures, true, flags: JSON_THROW_ON_ERROR);
}

$options = getopt('', ['rounds:', 'sessions:', 'handlers:', 'check', 'markdown']);
$rounds = (int) $options['rounds'];
$sessions = (int) $options['sessions'];
$wanted = ($options['handlers'] ?? '') === '' ? ['cloakroom-tmpfs', 'cloakroom-disk', 'files-tmpfs'] : explode(',', $options['handlers']);
$handlers = [];
foreach (all_handlers() as $handler) {
    if (!in_array($handler->name, $wanted, true) || !in_array($handler->name, COMPARED, true)) {
        continue;
    }
    if ($handler->missing !== null) {
        fwrite(STDERR, "left out: $handler->label ($handler->missing)\n");
        continue;
    }
    $handlers[$handler->name] = $handler;
}

$figures = $cycles = [];
try {
    foreach ($handlers as $handler) {
        run_part($handler, 'fill', $sessions);
    }
    for ($round = 1; $round <= $rounds; $round++) {
        foreach ($round % 2 ? $handlers : array_reverse($handlers, true) as $name => $handler) {
            $result = run_part($handler, 'cycle', $sessions, $round);
            $result['module'] === $handler->ini['session.save_handler'] || throw new RuntimeException("$handler->label: ran under the handler {$result['module']}");
            $cycles[$name] = ($cycles[$name] ?? 0) + $result['cycles'];
            foreach (PARTS as $part) {
                $figures[$name][$part][] = $result['figures'][$part];
            }
        }
    }
    foreach ($handlers as $name => $handler) {
        $sum = run_part($handler, 'sum', $sessions)['sum'];
        $sum === $cycles[$name] || throw new RuntimeException("$handler->label: the sessions counted $sum of $cycles[$name] cycles");
    }
} catch (RuntimeException | JsonException $problem) {
    fwrite(STDERR, "FAILED {$problem->getMessage()}\n");
    echo isset($options['check']) ? "0 passed, 1 failed\n" : '';
    exit(1);
}

if (isset($options['check'])) {
    foreach ($handlers as $handler) {
        echo "ok: fresh processes, $handler->label: every cycle counted\n";
    }
    echo count($handlers), " passed, 0 failed\n";
    exit(0);
}

$text = new Text(isset($options['markdown']));
$text->heading('Fresh processes: ' . number_format($sessions) . ' sessions of 1 KB, chosen at random');
$lines = [['handler', ...PARTS]];
foreach ($handlers as $name => $handler) {
    $lines[] = [$handler->label, ...array_map(fn (string $part) => micro(median($figures[$name][$part])), PARTS)];
}
$text->table($lines);
echo "\nMicroseconds a cycle, medians of $rounds processes. warm: sessions that the process has met before.\n";
if (isset($figures['cloakroom-tmpfs'], $figures['files-tmpfs'])) {
    [$ours, $theirs] = [median($figures['cloakroom-tmpfs']['first 100']), median($figures['files-tmpfs']['first 100'])];
    $targets = [verdict($ours <= $theirs) . ': the first 100 cycles cost no more than those of files on tmpfs (' . micro($ours) . ' and ' . micro($theirs) . ')'];
    [$ours, $theirs] = [median($figures['cloakroom-tmpfs']['warm']), median($figures['files-tmpfs']['warm'])];
    $targets[] = verdict($ours * 4 <= $theirs) . ': warm, at least 4 times faster than files on tmpfs (' . ratio($theirs / $ours) . ')';
    $text->list('Targets', $targets);
}
