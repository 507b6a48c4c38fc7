<?php
/*
 * Holds the session: sets the counter to ?count= without committing it, tells its process id in the file
 * ?signal=NAME.held, and goes on when ?signal=NAME.go exists, at the latest after half a minute. With ?answer_first=1 the
 * request is answered before, while its worker still holds the session.
 */
declare(strict_types=1);

require __DIR__ . '/answer.php';

$started = session_start();
$_SESSION['count'] = (int) $_GET['count'];
announce($_GET['signal']);
if (isset($_GET['answer_first'])) {
    fastcgi_finish_request();
}
await($_GET['signal']);
answer(['started' => $started, 'written' => session_write_close()]);
