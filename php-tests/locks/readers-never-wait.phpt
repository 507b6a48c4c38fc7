--TEST--
read_and_close takes the last stored data while another request holds the lock, however session_start() is called
--FILE--
<?php
namespace App {
    /** A function of the script that is called like PHP's. */
    function session_start(array $options): bool
    {
        return \session_start(['cache_limiter' => '']);
    }

    final class Starter
    {
        public static function start(array $options): bool
        {
            return \session_start($options);
        }

        public function __call(string $name, array $arguments): bool
        {
            return $name(...$arguments);
        }
    }
}

namespace {
    require __DIR__ . '/handlers_and_modes.inc';

    function wrapper(mixed ...$arguments): bool
    {
        return session_start(...$arguments);
    }

    $yes = ['read_and_close' => true];
    $by_reference = &$yes;
    $ways = [
        'directly' => fn () => session_start(['read_and_close' => true]),
        'with a variable' => fn () => session_start($yes),
        'with a reference' => fn () => session_start($by_reference),
        'with a named argument' => fn () => session_start(options: $yes),
        'with a number for the option' => fn () => session_start(['read_and_close' => 1]),
        'with a string for the option' => fn () => session_start(['read_and_close' => '1']),
        'with other options' => fn () => session_start(['cache_limiter' => '', 'cloakroom_lock' => 'exclusive'] + $yes),
        'with unpacked arguments' => fn () => session_start(...[$yes]),
        'with unpacked named arguments' => fn () => session_start(...['options' => $yes]),
        'by a function' => fn () => wrapper($yes),
        'by a function, with a named argument' => fn () => wrapper(options: $yes),
        'by a static method' => fn () => App\Starter::start($yes),
        'by __call' => fn () => (new App\Starter())->session_start($yes),
        'by a name' => fn () => ('session_start')($yes),
        'by a first-class callable' => fn () => (session_start(...))($yes),
        'by Closure::fromCallable' => fn () => Closure::fromCallable('session_start')($yes),
        'by call_user_func' => fn () => call_user_func('session_start', $yes),
        'by call_user_func with a name' => fn () => call_user_func('session_start', options: $yes),
        'by call_user_func_array' => fn () => call_user_func_array('session_start', [$yes]),
        'by call_user_func_array with a reference' => fn () => call_user_func_array('session_start', [&$yes]),
        'by call_user_func_array with a name' => fn () => call_user_func_array('session_start', ['options' => $yes]),
        'by reflection' => fn () => (new ReflectionFunction('session_start'))->invoke($yes),
        'by reflection with a list' => fn () => (new ReflectionFunction('session_start'))->invokeArgs([$yes]),
        'by array_map' => fn () => array_map('session_start', [$yes])[0],
        'by array_map with a callable' => fn () => array_map(session_start(...), [$yes])[0],
        'in a generator' => fn () => (fn () => yield session_start($yes))()->current(),
        'in a fiber' => function () use ($yes) {
            $fiber = new Fiber(fn () => session_start($yes));
            $fiber->start();

            return $fiber->getReturn();
        },
    ];
    $no = [
        'without options' => fn () => session_start(),
        'with an empty list' => fn () => session_start([]),
        'with the option off' => fn () => session_start(['read_and_close' => false]),
        'with 0' => fn () => session_start(['read_and_close' => 0]),
        'with "0"' => fn () => session_start(['read_and_close' => '0']),
        'by a function with that option, without it' => fn () => (fn (array $options) => session_start())($yes),
        'by a function of that name, without it' => fn () => App\session_start($yes),
    ];

    use_cloakroom($store = own_directory());
    put('held', ['x' => 'stored']);
    $holder = Process::run('say(start("held")); $_SESSION["x"] = "not stored yet"; hear(); session_write_close(); say("closed");');
    same('a process holds the session', [true, ''], $holder->hear());
    // A start that waited would fail here instead of taking long.
    ini_set('cloakroom.lock_wait', '0');

    in_every_handler_and_mode($store, function (string $where, string $kind, string $mode) use ($ways, $no): void {
        foreach ($ways as $way => $call) {
            session_id('held');
            $_SESSION = null;
            same("$where: it reads at once $way", [[true, ''], ['x' => 'stored']], [with_warnings($call), $_SESSION]);
            same("$where: no session is active $way", PHP_SESSION_NONE, session_status());
            ini_restore('session.cloakroom_lock');
        }
        foreach ($no as $way => $call) {
            session_id('held');
            same("$where: a start $way waits where there is a lock", $mode !== 'exclusive', with_warnings($call)[0]);
            session_abort();
        }
    });
    use_cloakroom($store);
    same('session.read_and_close is no setting', [false, false], [ini_get('session.read_and_close'), ini_set('session.read_and_close', '1')]);
    $holder->tell('close');
    $holder->hear();
    same('later it reads what was stored then', ['x' => 'not stored yet'], stored('held'));
    done();
}
--EXPECT--
735 claims hold
