--TEST--
With session.lazy_write an unchanged session is touched, without it rewritten
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

/** How the counters of writes and touches move while a session is used. */
function moved(callable $use): array
{
    $before = Cloakroom\status();
    $use();
    $after = Cloakroom\status();

    return ['writes' => $after['writes'] - $before['writes'], 'touches' => $after['touches'] - $before['touches']];
}

function unchanged(): void
{
    start('lazy');
    session_write_close();
}

put('lazy', ['x' => 1]);
same('it is on by default', '1', ini_get('session.lazy_write'));
same('on: an unchanged session is touched', ['writes' => 0, 'touches' => 1], moved(unchanged(...)));
same('on: a changed one is written', ['writes' => 1, 'touches' => 0], moved(fn () => put('lazy', ['x' => 2])));
same('on: the same data again is no change', ['writes' => 0, 'touches' => 1], moved(fn () => put('lazy', ['x' => 2])));
ini_set('session.lazy_write', '0');
same('off: an unchanged session is written', ['writes' => 1, 'touches' => 0], moved(unchanged(...)));
same('an aborted one is neither', ['writes' => 0, 'touches' => 0], moved(function (): void {
    start('lazy');
    $_SESSION = [];
    session_abort();
}));
same('the data survived all of it', ['x' => 2], stored('lazy'));
done();
--EXPECT--
7 claims hold
