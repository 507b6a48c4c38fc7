<?php
/*
 * One of the two processes that hand a session to each other. It does what the lines on its standard input say:
 *
 *   take      starts the session, and answers in one line when it called session_start(), when the process before
 *             released the session, when session_start() returned (nanoseconds of hrtime()), and for which time
 *             anybody has the session
 *   release   notes the time in the session and closes it
 *
 * The time of the release travels in the session itself, so the process that reads it has got what the other wrote.
 */
const PAYLOAD = 1024;

session_id($argv[1]);
$filling = substr(str_repeat(hash('sha512', 'payload'), intdiv(PAYLOAD, 128) + 1), 0, PAYLOAD);

while (($line = fgets(STDIN)) !== false) {
    if ($line === "release\n") {
        $_SESSION['released'] = hrtime(true);
        session_write_close() || fail('session_write_close() failed');
        continue;
    }
    $called = hrtime(true);
    session_start() || fail('session_start() failed');
    $got = hrtime(true);
    $_SESSION['filling'] ??= $filling;
    $_SESSION['filling'] === $filling || fail('the session has another payload than was put into it');
    $times = $_SESSION['times'] = ($_SESSION['times'] ?? 0) + 1;
    fwrite(STDOUT, "$called " . ($_SESSION['released'] ?? 0) . " $got $times\n");
}

function fail(string $what): never
{
    fwrite(STDERR, $what . "\n");
    exit(1);
}
