<?php
/*
 * What a session takes in the memory of a Redis server, by handler: the growth of used_memory over so many sessions of
 * 1 KB, each written once, less what the payloads themselves take.
 *
 * Called by benches/run. Options: --rounds=N and --samples=N of the other measurements have no meaning here;
 * --sessions=N --handlers=LIST --check --markdown.
 */
require __DIR__ . '/../text.php';
require __DIR__ . '/../cycle/handlers.php';

const PAYLOAD = 1024;

if (($argv[1] ?? '') === 'fill') {
    fill((int) $argv[2]);
    exit(0);
}

/** In the process of a handler: creates sessions and prints the bytes of one encoded payload. */
function fill(int $sessions): void
{
    $filling = substr(str_repeat(hash('sha512', 'payload'), intdiv(PAYLOAD, 128) + 1), 0, PAYLOAD);
    for ($i = 0; $i < $sessions; $i++) {
        session_id(substr(hash('sha256', "memory/$i"), 0, 32));
        session_start() || fail('session_start() failed');
        $_SESSION['filling'] = $filling;
        $bytes = strlen(session_encode());
        session_write_close() || fail('session_write_close() failed');
    }
    echo $bytes;
}

function fail(string $what): never
{
    fwrite(STDERR, $what . "\n");
    exit(1);
}

/** The answer of the benchmark's own Redis server to a command without arguments that hold spaces. */
function ask(string $command): string
{
    static $server = null;
    $server ??= stream_socket_client('unix://' . getenv('BENCH_REDIS')) ?: fail('the Redis server does not answer');
    fwrite($server, "$command\r\n");
    $line = (string) fgets($server);
    if ($line[0] !== '$') {
        return trim($line);
    }

    return stream_get_contents($server, (int) substr($line, 1) + 2);
}

function used_memory(): int
{
    preg_match('/^used_memory:(\d+)/m', ask('INFO memory'), $match) || fail('INFO tells no used_memory');

    return (int) $match[1];
}

$options = getopt('', ['rounds:', 'sessions:', 'handlers:', 'check', 'markdown']);
$sessions = (int) $options['sessions'];
$wanted = ($options['handlers'] ?? '') === '' ? null : explode(',', $options['handlers']);
$rows = $failures = [];
foreach (all_handlers() as $handler) {
    // Those on the same server without a lock, or far away, keep the same.
    if (!in_array($handler->name, ['cloakroom-redis', 'redis-locked'], true) || ($wanted !== null && !in_array($handler->name, $wanted, true))) {
        continue;
    }
    if ($handler->missing !== null) {
        fwrite(STDERR, "left out: $handler->label ($handler->missing)\n");
        continue;
    }
    progress("memory, $handler->label");
    ask('FLUSHALL');
    ask('SCRIPT FLUSH');
    $before = used_memory();
    $keys = (int) substr(ask('DBSIZE'), 1);
    $process = proc_open([...$handler->command(), __FILE__, 'fill', (string) $sessions], [1 => ['pipe', 'w'], 2 => ['pipe', 'w']], $pipes);
    $bytes = (int) stream_get_contents($pipes[1]);
    $complaints = trim(stream_get_contents($pipes[2]));
    $code = proc_close($process);
    $stored = (int) substr(ask('DBSIZE'), 1) - $keys;
    if ($code !== 0 || $complaints !== '' || $stored < $sessions) {
        $failures[$handler->label] = $complaints ?: "exit code $code, $stored keys for $sessions sessions";
        continue;
    }
    $rows[$handler->label] = [(used_memory() - $before) / $sessions, $bytes, $stored];
}
progress('');

foreach ($failures as $label => $problem) {
    fwrite(STDERR, "FAILED memory, $label: $problem\n");
}
if (isset($options['check'])) {
    foreach ($rows as $label => [, , $stored]) {
        echo "ok: memory, $label: $sessions sessions are $stored keys\n";
    }
    echo count($rows), ' passed, ', count($failures), " failed\n";
} elseif ($rows) {
    $text = new Text(isset($options['markdown']));
    $text->heading("Memory of a Redis server, for each of $sessions sessions of 1 KB");
    $lines = [['handler', 'bytes a session', 'of them payload', 'beside it']];
    foreach ($rows as $label => [$all, $payload]) {
        $lines[] = [$label, (string) round($all), (string) $payload, (string) round($all - $payload)];
    }
    $text->table($lines);
}
exit($failures ? 1 : 0);
