<?php
/*
 * Runs the cycle with and without counters in turns, each round in processes of their own, and prints the medians, their
 * ratio, and with the last argument also the instructions of a cycle. Called by benches/run-counters:
 *
 *   run.php DIRECTORY COUNTED UNCOUNTED ROUNDS SECONDS INSTRUCTIONS
 */
require __DIR__ . '/../cycle/handlers.php';

const BYTES = 1024;
/** Cycles of the shorter and of the longer run under valgrind. */
const CYCLES = [2000, 12000];

[, $directory, $counted, $uncounted, $rounds, $seconds, $instructions] = $argv;
$builds = [];
foreach (['with counters' => $counted, 'without' => $uncounted] as $name => $extension) {
    $place = "$directory/" . count($builds);
    mkdir($place);
    $ini = ['session.save_handler' => 'cloakroom', 'session.save_path' => $place];
    $builds[$name] = new Handler($name, $name, [realpath($extension)], $ini);
}

$medians = array_fill_keys(array_keys($builds), []);
$cycles = array_fill_keys(array_keys($builds), 0);
for ($round = 0; $round < (int) $rounds; $round++) {
    // Whoever comes second finds a warmer machine.
    foreach ($round % 2 ? array_reverse($builds) : $builds as $name => $build) {
        $arguments = ['bytes=' . BYTES, "start=$cycles[$name]", "seconds=$seconds", 'tag=counters'];
        $figures = json_decode(run([...$build->command(), __DIR__ . '/../cycle/worker.php', ...$arguments]), true);
        $figures['module'] === 'cloakroom' || fail("$name: the handler was {$figures['module']}");
        $cycles[$name] = $figures['cycles'];
        $medians[$name][] = $figures['median'];
    }
}
printf("%-16s %14s %24s\n", BYTES . ' bytes', 'ns a cycle', 'fastest and slowest');
foreach ($medians as $name => $of) {
    printf("%-16s %14.0f %14.0f %9.0f\n", $name, median($of), min($of), max($of));
}
$ratios = array_map(fn (float $with, float $without) => $with / $without, $medians['with counters'], $medians['without']);
printf("ratio, median of %d rounds: %.3f\n", count($ratios), median($ratios));

foreach ($builds as $name => $build) {
    // A build that does not count writes nothing: otherwise the same thing was measured twice.
    $ask = 'echo json_encode(Cloakroom\status()["writes"]);';
    $counts = json_decode(run([...$build->command(), '-r', $ask])) > 0;
    $counts === ($name === 'with counters') || fail("$name: the store has counted " . ($counts ? 'writes' : 'nothing'));
}

if ($instructions) {
    $told = [];
    foreach ($builds as $name => $build) {
        [$short, $long] = array_map(fn (int $cycles) => instructions($build, $cycles, $directory), CYCLES);
        $told[$name] = ($long - $short) / (CYCLES[1] - CYCLES[0]);
        printf("%-16s %14.1f instructions a cycle, PHP's own included\n", $name, $told[$name]);
    }
    printf("ratio: %.4f\n", $told['with counters'] / $told['without']);
}

/** Instructions of a process that runs so many cycles. */
function instructions(Handler $build, int $cycles, string $directory): int
{
    $valgrind = ['valgrind', '--tool=callgrind', "--callgrind-out-file=$directory/callgrind.out"];
    run([...$valgrind, ...$build->command(), __DIR__ . '/cycles.php', (string) $cycles]);
    preg_match('/^(?:summary|totals): (\d+)/m', file_get_contents("$directory/callgrind.out"), $total)
        || fail('valgrind counted nothing');

    return (int) $total[1];
}

/** What a command prints. */
function run(array $command): string
{
    $process = proc_open($command, [1 => ['pipe', 'w'], 2 => ['pipe', 'w']], $pipes);
    [$printed, $errors] = array_map(stream_get_contents(...), [$pipes[1], $pipes[2]]);
    proc_close($process) === 0 || fail("$command[0] failed: $errors");

    return $printed;
}

function median(array $figures): float
{
    sort($figures);

    return $figures[intdiv(count($figures), 2)];
}

function fail(string $what): never
{
    fwrite(STDERR, "run-counters: $what\n");
    exit(1);
}
