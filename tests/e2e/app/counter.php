<?php
/*
 * Adds one to the session's counter, leaving time in between for others to interfere if they could.
 *
 *   ?owner=NAME           remembers NAME in a new session and answers what is remembered
 *   ?lock_wait=SECONDS    and ?max_waiters=N: the handler's settings for this request
 */
declare(strict_types=1);

require __DIR__ . '/answer.php';
configure(['lock_wait', 'max_waiters']);

$begun = hrtime(true);
$started = session_start();
$waited = (hrtime(true) - $begun) / 1e9;
$count = ($_SESSION['count'] ?? 0) + 1;
usleep(200);
if ($started) {
    $_SESSION['count'] = $count;
    $_SESSION['owner'] ??= $_GET['owner'] ?? '';
}
$owner = $_SESSION['owner'] ?? null;
$written = $started && session_write_close();
answer(['started' => $started, 'written' => $written, 'count' => $count, 'owner' => $owner, 'waited' => $waited]);
