--TEST--
session_regenerate_id() looks whether the session is over however it is called: by name, by reflection, compiled by opcache; and may be disabled
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock', 'merge');

/** A session that this request has open and that somebody else has ended since. */
function over(): string
{
    start($id = session_create_id());
    $_SESSION['user'] = 1;
    session_write_close();
    start($id);
    (new Cloakroom\SessionHandler())->destroy($id);

    return $id;
}
$ways = [
    'by name' => fn () => session_regenerate_id(true),
    'with a named argument' => fn () => session_regenerate_id(delete_old_session: true),
    'without an argument' => fn () => session_regenerate_id(),
    'by call_user_func()' => fn () => call_user_func('session_regenerate_id', true),
    'by a callable' => fn () => (session_regenerate_id(...))(true),
    'by reflection' => fn () => (new ReflectionFunction('session_regenerate_id'))->invoke(true),
    'by array_map()' => fn () => array_map('session_regenerate_id', [true]) === [true],
];
foreach ($ways as $way => $rotate) {
    $id = over();
    same("$way: nothing is changed", [true, $id], [$rotate(), session_id()]);
    session_write_close();
    start($id = session_create_id());
    same("$way: a session that is not over gets another id", [true, true], [$rotate(), session_id() !== $id]);
    session_write_close();
}

$hot = <<<'PHP'
    ini_set('cloakroom.lock', 'merge');
    $handler = new Cloakroom\SessionHandler();
    $right = 0;
    for ($i = 0; $i < 400; $i++) {
        session_id($id = session_create_id());
        session_start();
        $_SESSION['user'] = $i;
        session_write_close();
        session_start();
        $is_over = $i % 3 === 0;
        if ($is_over) {
            $handler->destroy($id);
        }
        $right += session_regenerate_id($i % 2 === 0) && (session_id() === $id) === $is_over ? 1 : 0;
        session_write_close();
    }
    say($right);
PHP;
foreach (['tracing', 'function'] as $jit) {
    // Without opcache the loop is only run.
    $process = Process::run($hot, !is_file(ini_get('extension_dir') . '/opcache.so') ? [] : [
        'zend_extension' => 'opcache',
        'opcache.enable_cli' => '1',
        'opcache.jit' => $jit,
        'opcache.jit_buffer_size' => '32M',
        'opcache.jit_hot_loop' => '8',
        'opcache.jit_hot_func' => '8',
    ]);
    same('every call in a compiled loop', 400, $process->hear());
    same('the process ends well', 0, $process->wait());
}

$process = Process::run('start("a"); $_SESSION["a"] = 1; session_write_close(); say([function_exists("session_regenerate_id"), stored("a")]);', ['disable_functions' => 'session_regenerate_id']);
same('where it is disabled sessions work', [false, ['a' => 1]], $process->hear());
same('and the process ends well', 0, $process->wait());
done();
--EXPECT--
20 claims hold
