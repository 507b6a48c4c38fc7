<?php
/*
 * Adds one to the counter of a session that is kept at the address ?at=, with ?lock_ttl= as the handler's setting. With
 * ?signal=NAME it stops between reading and writing, as hold.php does.
 */
declare(strict_types=1);

require __DIR__ . '/answer.php';

configure(['lock_ttl']);
ini_set('session.save_path', $_GET['at']);
$begun = hrtime(true);
$started = session_start();
$took = (hrtime(true) - $begun) / 1e9;
$count = null;
if ($started) {
    $count = $_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
    if (isset($_GET['signal'])) {
        announce($_GET['signal']);
        await($_GET['signal']);
    }
    session_write_close();
}
answer(['started' => $started, 'count' => $count, 'took' => $took]);
