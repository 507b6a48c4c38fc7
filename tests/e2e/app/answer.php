<?php
/*
 * What the test pages share: warnings are collected (and still logged), and the answer is one JSON object.
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

/** Ends the request with the given fields, the warnings and the worker's process id. */
function answer(array $fields): never
{
    global $warnings;
    header('Content-Type: application/json');
    echo json_encode($fields + ['warnings' => $warnings, 'pid' => getmypid()], JSON_THROW_ON_ERROR);
    exit;
}
