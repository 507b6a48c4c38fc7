--TEST--
A process that may have no more threads is told, once, what that means for the locks of its sessions
--SKIPIF--
<?php
getenv('CLOAKROOM_TEST_SERVER') || die('skip no server: scripts/run-phpt --redis has one');
function_exists('posix_setrlimit') || die('skip this PHP cannot set limits');
posix_getuid() === 0 && die('skip such limits do not hold for root');
--FILE--
<?php
require __DIR__ . '/server.inc';
use_cloakroom(own_directory());

posix_setrlimit(POSIX_RLIMIT_NPROC, 1, 1);
same('a session starts', [true, ''], start('limited'));
$_SESSION['x'] = 'payload';
[$closed, $warnings] = with_warnings(fn () => session_write_close());
same('and ends', true, $closed);
matches(
    'the warning says what failed, why, and what to do',
    '/Cloakroom: the thread that renews session locks cannot be started: .+; raise .+ulimit -u.+cloakroom\.lock_ttl/s',
    $warnings,
);
same('the session is stored', ['x' => 'payload'], stored('limited'));
same('it is said once', [true, ''], start('limited'));
same('and not again', [true, ''], with_warnings(fn () => session_write_close()));
done();
--EXPECT--
6 claims hold
