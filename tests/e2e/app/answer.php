<?php
/*
 * What the test pages share: warnings are collected (and still logged), the answer is one JSON object, and a request can
 * stop until the test lets it go on.
 */
declare(strict_types=1);

$warnings = [];
set_error_handler(function (int $level, string $message) use (&$warnings): bool {
    $warnings[] = $message;
    return false;
});

/** Sets what this request asks of the handler, before the session starts. */
function configure(array $directives): void
{
    foreach ($directives as $directive) {
        if (isset($_GET[$directive])) {
            ini_set("cloakroom.$directive", $_GET[$directive]);
        }
    }
}

/** The path, without its ending, of the files through which a test and a request signal to each other. */
function signal_path(string $name): string
{
    return dirname(__DIR__, 3) . '/signals/' . basename($name);
}

/** Tells the test that the request has come so far, and which process it is. */
function announce(string $signal): void
{
    $path = signal_path($signal);
    file_put_contents("$path.new", (string) getmypid());
    rename("$path.new", "$path.held");
}

/** Waits until the test lets the request go on, at the latest for half a minute. */
function await(string $signal): void
{
    $path = signal_path($signal);
    $until = hrtime(true) + 30_000_000_000;
    while (!file_exists("$path.go") && hrtime(true) < $until) {
        usleep(2_000);
        clearstatcache();
    }
}

/** Ends the request with the given fields, the warnings and the worker's process id. */
function answer(array $fields): never
{
    global $warnings;
    header('Content-Type: application/json');
    echo json_encode($fields + ['warnings' => $warnings, 'pid' => getmypid()], JSON_THROW_ON_ERROR);
    exit;
}
