--TEST--
session_regenerate_id() waits for a request that has replaced the id and not written yet: then it changes nothing, or replaces the id itself
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

/** What becomes of the request that was first, and whether the one that waits then gets an id. */
$ends = [
    'writes' => ['session_write_close();', false],
    'logs out' => ['session_destroy();', false],
    'aborts' => ['session_abort();', true],
    'is killed' => ['', true],
];
foreach (['merge', 'none'] as $lock) {
    foreach ($ends as $what => [$code, $rotates]) {
        foreach ([true, false] as $deletes) {
            foreach ([true, false] as $early) {
                $name = "$lock, the first one $what, " . ($deletes ? 'deleting' : 'keeping') . ($early ? '' : ', begun while it is replaced');
                $id = session_create_id();
                put($id, ['k' => 1]);
                $ini = ['cloakroom.lock' => $lock, 'cloakroom.lock_ttl' => '1'];
                $first = Process::run("start(hear()); session_regenerate_id(true); \$_SESSION['first'] = 1; say(session_id()); hear(); $code say(1);", $ini);
                $second = Process::run(<<<'PHP'
                    [$id, $deletes] = explode(' ', hear());
                    say(start($id));
                    hear();
                    say('goes');
                    say([with_warnings(fn () => session_regenerate_id($deletes === 'deletes')), session_id(), isset($_SESSION['first'])]);
                    $_SESSION['user'] = 2;
                    hear();
                    say(with_warnings(fn () => session_write_close()));
                PHP, $ini);
                $start = function () use ($second, $id, $deletes, $name): void {
                    $second->tell("$id " . ($deletes ? 'deletes' : 'keeps'));
                    same("$name: it starts", [true, ''], $second->hear());
                };
                $early && $start();
                $first->tell($id);
                $new = $first->hear();
                $early || $start();
                $second->tell('rotate');
                $second->hear();
                $second->sleeps();
                if ($code === '') {
                    $first->signal(Process::KILL);
                } else {
                    $first->tell('end');
                    $first->hear();
                }
                $first->wait();
                [$said, $got, $sees] = $second->hear();
                same("$name: says true", [true, ''], $said);
                same("$name: " . ($rotates ? 'gets an id' : 'keeps the id'), $rotates, $got !== $id);
                same("$name: has read what was stored", false, $sees);
                $second->tell('write');
                same("$name: writes", [true, ''], $second->hear());
                $second->wait();
                check("$name: nobody is logged in under the old id", !isset(stored($id)['user']));
                same("$name: the log-in " . ($rotates ? 'is under the new one' : 'is dropped'), $rotates ? ['k' => 1, 'user' => 2] : [], $rotates ? stored($got) : []);
                check("$name: nobody is logged in by the first one", !isset(stored($new)['user']));
            }
        }
    }
}

// Who waited long enough is told so, and nothing has changed.
put('a', ['k' => 1]);
$first = Process::run('start("a"); session_regenerate_id(true); say(1); hear(); session_write_close(); say(1);', ['cloakroom.lock' => 'merge']);
$first->hear();
ini_set('cloakroom.lock', 'merge');
ini_set('cloakroom.lock_wait', '0');
start('a');
[$answer, $warnings] = with_warnings(fn () => session_regenerate_id(true));
same('a wait that is over fails', [false, 'a'], [$answer, session_id()]);
matches('and says who has the lock', '/^session_regenerate_id\(\): Cloakroom: .*process \d+/', $warnings);
same('and the session is closed', PHP_SESSION_NONE, session_status());
$first->tell('write');
$first->hear();
ini_restore('cloakroom.lock_wait');

// So a script that does not look at the answer logs nobody in under the id that the visitor came with.
foreach (['merge', 'none'] as $lock) {
    foreach (['lock_wait' => '0', 'max_waiters' => '1'] as $limit => $value) {
        put("busy-$lock", ['k' => 1]);
        $holder = Process::run('start(hear()); say(1); hear(); session_write_close(); say(1);');
        $holder->tell("busy-$lock");
        $holder->hear();
        $waiter = null;
        if ($limit === 'max_waiters') {
            $waiter = Process::run('say("waits"); start(hear()); session_write_close();');
            $waiter->tell("busy-$lock");
            $waiter->hear();
            $waiter->sleeps();
        }
        $process = Process::run('start(hear()); say(with_warnings(fn () => session_regenerate_id(true))[0]); $_SESSION["user"] = 1; say([session_status(), with_warnings(fn () => session_write_close())[0]]);', ['cloakroom.lock' => $lock, "cloakroom.$limit" => $value]);
        $process->tell("busy-$lock");
        same("$lock, $limit: the rotation fails", false, $process->hear());
        same("$lock, $limit: the session is closed", [PHP_SESSION_NONE, false], $process->hear());
        same("$lock, $limit: the process ends well", 0, $process->wait());
        $holder->tell('end');
        $holder->hear();
        $holder->wait();
        $waiter?->wait();
        same("$lock, $limit: nobody is logged in", ['k' => 1], stored("busy-$lock"));
    }
    // Nor does a call that PHP refuses keep the lock of the session.
    ini_set('cloakroom.lock', $lock);
    start("busy-$lock");
    foreach ([[[]], [true, 1]] as $arguments) {
        try {
            session_regenerate_id(...$arguments);
            echo "FAILED: no error\n";
        } catch (TypeError|ArgumentCountError) {
            same("$lock: after a wrong call the session is free", ['k' => 1], found_free("busy-$lock"));
        }
    }
    session_abort();
}

// Who has replaced the id twice and not written yet is waited for until then.
foreach (['writes' => ['session_write_close();', false], 'aborts' => ['session_abort();', true]] as $what => [$code, $rotates]) {
    put($id = session_create_id(), ['k' => 1]);
    $ini = ['cloakroom.lock' => 'merge', 'cloakroom.lock_ttl' => '1'];
    $first = Process::run("start(hear()); session_regenerate_id(true); say(1); hear(); session_regenerate_id(true); say(1); hear(); $code say(1);", $ini);
    $first->tell($id);
    $first->hear();
    $second = Process::run('start($id = hear()); say(1); say([with_warnings(fn () => session_regenerate_id(true)), session_id() !== $id]); $_SESSION["user"] = 2; session_write_close(); say(session_id());', $ini);
    $second->tell($id);
    $second->hear();
    $second->sleeps();
    $first->tell('again');
    $first->hear();
    $second->sleeps();
    $first->tell('end');
    $first->hear();
    same("one that waits while the id is replaced twice, and then $what", [[true, ''], $rotates], $second->hear());
    same("the first one $what: where the log-in is", $rotates, isset(stored($second->hear())['user']));
    check("the first one $what: nobody is logged in under the old id", !isset(stored($id)['user']));
}

// One process: the session that it has open itself is about to be written. Nothing is waited for.
put('b', ['k' => 1]);
$handler = new Cloakroom\SessionHandler(lock: 'merge');
$handler->open('', '');
$handler->read('b');
start('b');
same('a session gets another id beside an object that has read it', [true, true], [session_regenerate_id(true), session_id() !== 'b']);
$_SESSION['user'] = 3;
$new = session_id();
session_write_close();
same('what the object writes is dropped', [true, ['k' => 1], ['k' => 1, 'user' => 3]], [$handler->write('b', 'k|i:1;user|i:4;'), stored('b'), stored($new)]);
done();
--EXPECT--
287 claims hold
