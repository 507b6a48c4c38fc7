<?php
/*
 * Two threads of one process and one session. Thread 0 holds it; thread 1 is refused where it may not wait, waits where
 * it may, and gets the session with what thread 0 wrote.
 */
require __DIR__ . '/thread.inc';

if ($lane === 0) {
    open_session('contended');
    $_SESSION['written by'] = 0;
    touch(mark('held'));
    await(mark('refused'));
    $waiting = trim(file_get_contents(mark('refused')));
    $asleep = 0;
    $end = hrtime(true) + 20_000_000_000;
    while ($asleep < 10 && hrtime(true) < $end) {
        // The state follows the command name, which is in parentheses and may hold anything.
        $stat = file_get_contents("/proc/self/task/$waiting/stat");
        $asleep = substr($stat, strrpos($stat, ')') + 2, 1) === 'S' ? $asleep + 1 : 0;
        usleep(1000);
    }
    claim('thread 1 waits', $asleep === 10);
    session_write_close();
} else {
    await(mark('held'));
    ini_set('cloakroom.lock_wait', '0');
    session_id('contended');
    $warnings = '';
    set_error_handler(function (int $level, string $message) use (&$warnings): bool {
        $warnings .= "$message\n";

        return true;
    });
    claim('who may not wait is refused', session_start() === false);
    restore_error_handler();
    claim('and told who holds it', str_contains($warnings, (string) getmypid()), $warnings);
    session_id('contended');
    open_session('contended', ['read_and_close' => true]);
    claim('a reader is not kept waiting', $_SESSION === [], $_SESSION);
    ini_set('cloakroom.lock_wait', '20');
    file_put_contents(mark('thread-1'), basename(readlink('/proc/thread-self')));
    rename(mark('thread-1'), mark('refused'));
    open_session('contended');
    claim('the one that waited finds what was written', $_SESSION === ['written by' => 0], $_SESSION);
}
