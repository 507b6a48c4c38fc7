--TEST--
A panic at any step of a session becomes a warning and a failure: the process lives, the lock is free, what is stored is whole
--SKIPIF--
<?php function_exists('Cloakroom\fault') || die('skip this build cannot panic on purpose: make mutants makes one that can');
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '0');

// Each life uses all functions of the handler. The panics are told on standard error, so they happen in a process of their own.
$lives = Process::run(<<<'PHP'
    $object = new Cloakroom\SessionHandler();
    $lives = [
        'object' => function () use ($object): void {
            $object->open(session_save_path(), '');
            // Where the read fails, nobody closes the object: its lock has to be free all the same.
            $object->read('visitor') !== false && $object->write('visitor', 'n|i:1;') && $object->close();
        },
        'object that nobody opened' => function () use ($object): void {
            $object->read('visitor') === false || $object->write('visitor', 'n|i:1;');
            $object->validateId('visitor');
            $object->updateTimestamp('visitor', 'n|i:1;');
            $object->gc(1);
            $object->create_sid();
            $object->destroy('ended');
        },
        'write' => function (): void {
            session_id('visitor');
            session_start() && $_SESSION['n'] = 1;
            session_write_close();
        },
        'touch' => function (): void {
            session_id('visitor');
            session_start();
            session_write_close();
        },
        'abort' => function (): void {
            session_id('visitor');
            session_start() && $_SESSION['n'] = 1;
            session_reset();
            session_abort();
        },
        'read' => function (): void {
            session_id('visitor');
            session_start(['read_and_close' => true]);
        },
        'regenerate' => function (): void {
            session_id('visitor');
            session_start() && $_SESSION['n'] = 1;
            session_regenerate_id(false);
            session_write_close();
        },
        'collect' => function (): void {
            session_id('visitor');
            ini_set('session.gc_probability', '1');
            ini_set('session.gc_divisor', '1');
            session_start() && session_gc();
            session_abort();
            ini_set('session.gc_probability', '0');
        },
        'destroy' => function (): void {
            session_id('ended');
            session_start() && session_destroy();
        },
        'begin' => function (): void {
            session_id('');
            session_start();
            session_create_id();
            session_write_close();
        },
        'status' => function (): void {
            Cloakroom\status();
        },
    ];
    foreach (['panic before', 'panic after'] as $kind) {
        foreach ($lives as $name => $live) {
            for ($after = 0, $struck = true; $struck; $after++) {
                put('visitor', ['n' => 0]);
                put('ended', ['n' => 0]);
                ini_set('session.use_strict_mode', '1');
                [, $warnings] = with_warnings(function () use ($kind, $after, $live): void {
                    Cloakroom\fault($kind, $after);
                    try {
                        $live();
                    } catch (Error) {
                        // PHP's own way to say that there is no id.
                    }
                });
                $struck = !Cloakroom\fault('none', 0);
                say([$kind, $name, $after, $struck, $warnings, session_status()]);
                hear();
                with_warnings(session_abort(...));
                say(with_warnings($live)[1]);
                ini_set('session.use_strict_mode', '0');
            }
        }
    }
    say(null);
PHP);
$trouble = $steps = [];
$writes_failed = 0;
while ([$kind, $life, $after, $struck, $warnings, $active] = $lives->hear()) {
    $steps["$kind: $life"] = $after;
    $trouble["$kind: $life"] ??= [];
    [$started, $complaints] = start('visitor');
    $stored = $_SESSION;
    session_abort();
    $lives->tell();
    $afterwards = $lives->hear();

    // PHP's own warnings tell at which step the panic was. The second write of "regenerate" is that of another id.
    $write_failed = $kind === 'panic before' && str_contains($warnings, $life === 'write' ? 'Failed to write' : 'Session write failed');
    $writes_failed += (int) $write_failed;
    $may_be_stored = (in_array($life, ['write', 'regenerate'], true) || str_starts_with($life, 'object')) && !$write_failed;
    $told = substr_count($warnings, 'Cloakroom: internal error');
    // Methods of an object look at it in steps of their own, which have nothing to fail at and so nobody to tell.
    $told_rightly = $told === (int) $struck || str_starts_with($life, 'object') && $told === 0;
    $trouble["$kind: $life"] = [...$trouble["$kind: $life"], ...array_keys(array_filter([
        "step $after is told as: $warnings" => !$told_rightly,
        "step $after is told with the id" => str_contains($warnings, 'visitor'),
        "step $after leaves a session active" => $active !== PHP_SESSION_NONE,
        "step $after leaves the lock: $complaints" => !$started || $complaints !== '',
        "step $after leaves in the store: " . shown($stored) => $stored !== ['n' => 0] && !($may_be_stored && $stored === ['n' => 1]),
        "step $after leaves a handler that complains: $afterwards" => $afterwards !== '',
    ]))];
}
foreach ($trouble as $where => $found) {
    same("$where: what follows from a panic", [], $found);
    check("$where: there were steps to panic at", $steps[$where] > (str_contains($where, 'status') ? 0 : 4), "$steps[$where]");
}
same('in each of both lives that write, one panic was before the write', 2, $writes_failed);
same('the process ends normally', 0, $lives->wait());
matches('and the panics are in its log', '/a test asked for this panic/', $lives->complaints());
done();
--EXPECT--
47 claims hold
