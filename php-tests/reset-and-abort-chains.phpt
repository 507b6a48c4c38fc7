--TEST--
Chains of session_reset() and session_abort() read what is stored, keep or free the lock, and write nothing
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '0');

put('chain', ['n' => 0]);
for ($n = 1; $n <= 20; $n++) {
    start('chain');
    for ($reset = 0; $reset < $n % 4; $reset++) {
        $_SESSION['n'] = "reset $reset";
        session_reset() || print("FAILED: round $n: reset $reset\n");
        $_SESSION === ['n' => intdiv($n - 1, 2)] || print("FAILED: round $n: reset $reset found " . shown($_SESSION) . "\n");
    }
    $_SESSION['n'] = intdiv($n, 2);
    $n % 2 ? session_abort() : session_write_close();
}
same('ten of twenty rounds were stored', ['n' => 10], found_free('chain'));

start('chain');
session_reset();
session_abort();
same('after an abort there is nothing to reset', [false, ''], with_warnings(session_reset(...)));
same('nor to abort', [false, ''], with_warnings(session_abort(...)));
same('the session is free', ['n' => 10], found_free('chain'));

start('chain');
session_reset();
session_destroy();
same('after a destruction there is nothing to reset', [false, ''], with_warnings(session_reset(...)));
same('the session is gone', [], found_free('chain'));

put('chain', ['n' => 11]);
start('chain');
session_reset();
session_regenerate_id(false);
$new = session_id();
$_SESSION['n'] = 12;
same('a regenerated session can be reset', true, session_reset());
same('to what its new id has: nothing yet', [], $_SESSION);
same('the old id is free', ['n' => 11], found_free('chain'));
session_abort();
same('the new one, too', [], found_free($new));

// session_write_close() keeps the id, session_abort() as well.
start('chain');
session_write_close();
session_start();
session_reset();
session_abort();
session_start();
same('the id stays over all of it', 'chain', session_id());
same('with its data', ['n' => 11], $_SESSION);

// A reset must not hand the session to one that waits: it would then wait for that one itself.
$waiting = Process::run('say("waits"); start("chain"); say($_SESSION); session_abort();');
$waiting->hear();
$waiting->sleeps();
same('while another waits, a reset succeeds', [true, ''], with_warnings(session_reset(...)));
$_SESSION['n'] = 12;
session_write_close();
same('the one that waited comes after it', ['n' => 12], $waiting->hear());
$waiting->wait();
put('chain', ['n' => 11]);

$process = Process::run(<<<'PHP'
    start('chain');
    $_SESSION['n'] = 13;
    session_reset();
    session_abort();
    session_reset();
    $_SESSION['n'] = 14;
PHP);
same('a script that ends after such a chain ends normally', 0, $process->wait());
same('and stored nothing', ['n' => 11], found_free('chain'));
done();
--EXPECT--
16 claims hold
