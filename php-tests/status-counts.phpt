--TEST--
Cloakroom\status() counts sessions and what happened to them, over all processes
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '1');

/** By how much the figures of status() change while something happens; those that stay are left out. */
function change(callable $happens): array
{
    $before = Cloakroom\status();
    $happens();
    $after = Cloakroom\status();
    $changes = [];
    foreach (['sessions', 'bytes', 'reads', 'writes', 'touches', 'waits', 'evictions', 'recoveries'] as $figure) {
        if ($after[$figure] !== $before[$figure]) {
            $changes[$figure] = $after[$figure] - $before[$figure];
        }
    }

    return $changes;
}

put('first', ['x' => 1]);
same('one session', 1, Cloakroom\status()['sessions']);
same('its bytes', strlen('x|i:1;'), Cloakroom\status()['bytes']);
same('the capacity is cloakroom.size', 1 << 30, Cloakroom\status()['capacity']);

same('a new session', ['sessions' => 1, 'bytes' => 6, 'reads' => 1, 'writes' => 1], change(fn () => put('second', ['y' => 2])));
same('a longer payload', ['bytes' => 1, 'reads' => 1, 'writes' => 1], change(fn () => put('second', ['y' => 22])));
same('the same payload again', ['reads' => 1, 'touches' => 1], change(fn () => put('second', ['y' => 22])));
same('a reader', ['reads' => 1], change(fn () => stored('second')));
same('an aborted session', ['reads' => 1], change(function (): void {
    start('second');
    session_abort();
}));
same('a destroyed session', ['sessions' => -1, 'bytes' => -7, 'reads' => 1], change(function (): void {
    start('second');
    session_destroy();
}));
same('another process', ['bytes' => 1, 'reads' => 1, 'writes' => 1], change(function (): void {
    $other = Process::run('put("first", ["x" => 10]); say("written");');
    $other->hear();
    $other->wait();
}));

$holder = Process::run('start("first"); say("holds"); hear();');
$holder->hear();
same('a wait for a lock, in vain', ['waits' => 1], change(fn () => start('first')));
$holder->signal(Process::KILL);
$holder->wait();
$change = change(function (): void {
    start('first');
    session_abort();
});
check('a lock taken over from a dead process', ($change['recoveries'] ?? 0) >= 1, fn () => shown($change));
same('and a read', 1, $change['reads']);
same('no session was evicted', 0, Cloakroom\status()['evictions']);
done();
--EXPECT--
14 claims hold
