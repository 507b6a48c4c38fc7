<?php
/*
 * Answers the script of the page "Requests that overlap": the server's clock, the start of a run, one of the requests
 * that overlap, and what is left in the end. Answers are JSON.
 *
 * Browsers open six connections to one address at most, so the page sends every other request to a second port. The
 * cookie is the same there, as cookies do not tell ports apart; that the page may read the answer has to be said.
 */
declare(strict_types=1);

$arrived = hrtime(true) / 1e6;

require __DIR__ . '/../session.php';
require __DIR__ . '/../experiment.php';
require __DIR__ . '/../security.php';

/** Ends the request with a status and a JSON object. */
function answer(int $status, array $fields): never
{
    if (!headers_sent()) {
        http_response_code($status);
    }
    echo json_encode($fields, JSON_THROW_ON_ERROR);
    exit;
}

restrict_answer();
header('Content-Type: application/json');
header('Cache-Control: no-store');
// What is flushed goes to the browser at once.
header('X-Accel-Buffering: no');

$origin = $_SERVER['HTTP_ORIGIN'] ?? '';
if (!in_array($origin, page_origins(), true)) {
    answer(403, ['problem' => 'Only the page itself may ask for this.']);
}
header("Access-Control-Allow-Origin: $origin");
header('Access-Control-Allow-Credentials: true');
header('Vary: Origin');

$mode = posted('mode');
$number = (int) posted('number');
switch (posted('action')) {
    case 'clock':
        answer(200, ['now' => milliseconds()]);
    case 'prepare':
        $fields = prepare();
        break;
    case 'take-part':
        if (!isset(MODES[$mode]) || $number < 1 || $number > REQUESTS) {
            answer(400, ['problem' => 'There is no such request.']);
        }
        $fields = take_part($mode, $number, posted('run'), $arrived);
        break;
    case 'outcome':
        $fields = outcome();
        break;
    default:
        answer(400, ['problem' => 'There is no such action.']);
}
if ($fields === null) {
    answer(503, ['problem' => 'The session cannot be had, or another window has begun a run with it. Try again.']);
}
answer(200, $fields);
