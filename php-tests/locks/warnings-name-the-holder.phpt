--TEST--
Who waits in vain, or is one too many to wait, is told who holds the lock: with every handler, held by every handler
--FILE--
<?php
require __DIR__ . '/handlers_and_modes.inc';

const HOLDER = <<<'PHP'
    [$kind, $store] = explode(' ', hear());
    require ARGUMENT;
    use_kind($kind, $store);
    say(start('slow'));
    hear();
PHP;
$inc = 'const ARGUMENT = ' . var_export(__DIR__ . '/handlers_and_modes.inc', true) . ';';

use_cloakroom($store = own_directory());
foreach (['native', 'SessionHandler', 'class', 'subclass'] as $kind) {
    use_cloakroom($store);
    $holder = Process::run($inc . HOLDER, name: "slow_report_of_$kind.php");
    $holder->tell("$kind $store");
    same("$kind: a process holds the session", [true, ''], $holder->hear());

    use_kind($kind, $store);
    ini_set('cloakroom.lock_wait', '1');
    $before = hrtime(true);
    [$started, $warnings] = start('slow');
    $waited = (hrtime(true) - $before) / 1e9;
    same("$kind: the start fails", false, $started);
    check("$kind: not before the time is over", $waited >= 1, "after $waited s");
    matches("$kind: the warning tells how long it waited", '/waited 1\.\d s/', $warnings);
    matches("$kind: who holds the lock, and for how long", "/process $holder->pid has held it for [1-9]\d*\.\d s/", $warnings);
    matches("$kind: and which script that is", "/running \S*slow_report_of_$kind\.php/", $warnings);

    $waiting = Process::run('say("starts"); say(start("slow")); session_abort();');
    $waiting->hear();
    $waiting->sleeps();
    ini_set('cloakroom.lock_wait', '20');
    ini_set('cloakroom.max_waiters', '1');
    [$started, $warnings] = start('slow');
    same("$kind: one more than the limit fails at once", false, $started);
    matches("$kind: the warning names the limit", '/1 requests? waits? .*cloakroom\.max_waiters = 1/', $warnings);
    matches("$kind: and the holder with its script", "/process $holder->pid\b.*slow_report_of_$kind\.php/", $warnings);
    ini_restore('cloakroom.max_waiters');
    $holder->tell('end');
    same("$kind: who may wait gets the lock", [true, ''], $waiting->hear());
    $waiting->wait();
    $holder->wait();
}
done();
--EXPECT--
40 claims hold
