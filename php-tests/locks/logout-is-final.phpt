--TEST--
A request that is slower than a logout cannot undo it, with every handler, in every lock mode
--FILE--
<?php
require __DIR__ . '/handlers_and_modes.inc';

/** A request that has read the session and writes when it is told to, or that waits for it where there is a lock. */
const SLOW = <<<'PHP'
    [$kind, $mode, $id, $strict, $store] = unserialize(base64_decode(hear()));
    require ARGUMENT;
    ini_set('session.use_strict_mode', $strict);
    use_kind($kind, $store);
    ini_set('cloakroom.lock', $mode);
    say('starts');
    $started = start($id);
    say([$started, $_SESSION]);
    hear();
    $_SESSION['user'] = 'revived';
    $_SESSION['slow'] = 1;
    say(with_warnings(session_write_close(...)));
PHP;

/** @return Process that has begun a request */
function slow(string $kind, string $mode, string $id, string $store): Process
{
    $process = Process::run('const ARGUMENT = ' . var_export(__DIR__ . '/handlers_and_modes.inc', true) . ';' . SLOW);
    $process->tell(base64_encode(serialize([$kind, $mode, $id, ini_get('session.use_strict_mode'), $store])));
    $process->hear();

    return $process;
}

in_every_handler_and_mode($store = own_directory(), function (string $where, string $kind, string $mode) use ($store): void {
    foreach (['1', '0'] as $strict) {
        ini_set('session.use_strict_mode', $strict);
        foreach (['for good', 'and logs in again'] as $what) {
            $case = "$where, strict mode " . ($strict ? 'on' : 'off') . ", $what";
            $id = made(['user' => 'ada']);
            if ($mode === 'exclusive') {
                // With a lock, the slow one waits for it while the session ends.
                start($id);
                $slow = slow($kind, $mode, $id, $store);
                $slow->sleeps();
            } else {
                $slow = slow($kind, $mode, $id, $store);
                same("$case: the slow one reads", [[true, ''], ['user' => 'ada']], $slow->hear());
                start($id);
            }
            same("$case: the session ends", [true, ''], with_warnings(session_destroy(...)));
            $mode === 'exclusive' && same("$case: the slow one finds nothing", [[true, ''], []], $slow->hear());
            $end = function () use ($slow, $case): void {
                $slow->tell('write');
                same("$case: the slow one ends quietly", [true, ''], $slow->hear());
            };
            // With a lock, the slow one has it now, and who logs in waits for its end.
            $mode === 'exclusive' && $end();
            $next = $id;
            if ($what === 'and logs in again') {
                same("$case: somebody logs in again", [true, ''], start($id));
                $next = session_id();
                $_SESSION = ['user' => 'ada again'];
                session_write_close();
            }
            $mode === 'exclusive' || $end();
            ini_set('session.use_strict_mode', '0');
            $again = $what === 'and logs in again';
            same("$case: what was there before is over", $again && $next === $id ? ['user' => 'ada again'] : [], stored($id));
            $again && same("$case: who has logged in since is so", ['user' => 'ada again'], stored($next));
            ini_set('session.use_strict_mode', $strict);
        }
    }
    ini_set('session.use_strict_mode', '0');
});
done();
--EXPECT--
240 claims hold
