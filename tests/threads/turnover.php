<?php
/*
 * One thread stays while more come and go than a store has owner slots: an ended thread leaves neither its owner slot
 * nor a descriptor behind.
 */
require __DIR__ . '/thread.inc';

$threads = (int) getenv('THREADS');
open_session("turnover-$lane");
claim('the session is as the thread before left it', ($_SESSION['thread'] ?? -1) === $thread - 1, $_SESSION);
$_SESSION['thread'] = $thread;
session_write_close();

if ($lane === 0 && $thread === 0) {
    $before = count(scandir('/proc/self/fd'));
    await(mark('over'));
    // The threads that run just now have some.
    $more = count(scandir('/proc/self/fd')) - $before;
    claim('no descriptor is left behind', $more < 40, $more);
} elseif ($lane === 1 && $thread === $threads - 1) {
    touch(mark('over'));
}
