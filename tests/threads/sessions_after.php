<?php
/*
 * After sessions.php: another process finds every increment.
 */
require __DIR__ . '/thread.inc';

[$lanes, $requests] = [(int) getenv('LANES'), (int) getenv('REQUESTS')];
open_session('shared');
claim('no increment is lost', $_SESSION['count'] === $lanes * $requests, $_SESSION);
for ($i = 0; $i < $lanes; $i++) {
    claim("none of lane $i", $_SESSION["lane $i"] === $requests, $_SESSION);
}
session_write_close();
for ($i = 0; $i < $lanes; $i++) {
    open_session("left-$i");
    claim("what lane $i left open is stored", $_SESSION['request'] === intdiv($requests - 1, 3) * 3, $_SESSION);
    session_write_close();
}
