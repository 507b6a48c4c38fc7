--TEST--
A page that logs in and finds that its id leads nowhere can begin a session of its own, as docs/locking.md says
--SKIPIF--
<?php is_executable((string) getenv('TEST_PHP_CGI_EXECUTABLE')) || die('skip php-cgi is not installed');
--FILE--
<?php
require __DIR__ . '/cgi.inc';
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$log_in = <<<'PHP'
    session_start();
    $user = (object) ['id' => 5];
    $old = session_id();
    session_regenerate_id(true);
    if (session_id() === $old) {
        session_abort();
        session_id(session_create_id());
        session_start();
    }
    $_SESSION['user_id'] = $user->id;
    echo session_id();
PHP;
$whose = fn (string $id, array $ini): string => request('session_start(["read_and_close" => true]); echo json_encode($_SESSION);', "PHPSESSID=$id", $ini)[1];
$before = [
    'live' => null,
    'replaced' => 'session_start(); session_regenerate_id(true); $_SESSION["user_id"] = 4;',
    'ended' => 'session_start(); session_destroy();',
];
foreach (['strict mode off' => '0', 'strict mode on' => '1'] as $mode => $strict) {
    foreach (['exclusive', 'merge', 'none'] as $lock) {
        foreach ($before as $what => $code) {
            $name = "$mode, $lock, $what";
            $ini = ['session.use_strict_mode' => $strict, 'cloakroom.lock' => $lock];
            [, $old] = request('session_start(); $_SESSION["cart"] = 1; echo session_id();', '', $ini);
            $code === null || request($code, "PHPSESSID=$old", $ini);
            [$headers, $id] = request($log_in, "PHPSESSID=$old", $ini);
            same("$name: the browser gets an id", true, str_contains(end($headers['set-cookie']), "PHPSESSID=$id"));
            same("$name: which is another one", true, $id !== $old);
            same("$name: and is logged in by it", $code === null ? '{"cart":1,"user_id":5}' : '{"user_id":5}', $whose($id, $ini));
            check("$name: nobody is by the old one", !str_contains($whose($old, $ini), 'user_id'));
        }
    }
}
// And where the session is locked for longer than the page waits.
foreach (['strict mode off' => '0', 'strict mode on' => '1'] as $mode => $strict) {
    foreach (['merge', 'none'] as $lock) {
        $name = "$mode, $lock, locked";
        $ini = ['session.use_strict_mode' => $strict, 'cloakroom.lock' => $lock, 'cloakroom.lock_wait' => '0'];
        [, $old] = request('session_start(); $_SESSION["cart"] = 1; echo session_id();', '', $ini);
        $holder = Process::run('start(hear()); say(1); hear(); session_abort(); say(1);');
        $holder->tell($old);
        $holder->hear();
        [$headers, $id] = request($log_in, "PHPSESSID=$old", $ini);
        $holder->tell('end');
        $holder->hear();
        same("$name: the browser gets another id", [true, true], [str_contains(end($headers['set-cookie']), "PHPSESSID=$id"), $id !== $old]);
        same("$name: and is logged in by it", '{"user_id":5}', $whose($id, $ini));
        same("$name: nobody is by the old one", '{"cart":1}', $whose($old, $ini));
    }
}
done();
--EXPECT--
84 claims hold
