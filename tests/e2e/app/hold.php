<?php
/*
 * Holds the session: sets the counter to ?count= without committing it, tells its process id in the file
 * ?signal=NAME.held, and goes on when ?signal=NAME.go exists, at the latest after half a minute. With ?answer_first=1 the
 * request is answered before, while its worker still holds the session.
 */
declare(strict_types=1);

require __DIR__ . '/answer.php';

$signal = dirname(__DIR__, 3) . '/signals/' . basename($_GET['signal']);
$started = session_start();
$_SESSION['count'] = (int) $_GET['count'];
file_put_contents("$signal.new", (string) getmypid());
rename("$signal.new", "$signal.held");
if (isset($_GET['answer_first'])) {
    fastcgi_finish_request();
}
$until = hrtime(true) + 30_000_000_000;
while (!file_exists("$signal.go") && hrtime(true) < $until) {
    usleep(2_000);
    clearstatcache();
}
answer(['started' => $started, 'written' => session_write_close()]);
