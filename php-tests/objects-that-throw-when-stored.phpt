--TEST--
A session with an object that cannot be encoded stays as it was, however it is stored
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$classes = <<<'PHP'
    final class ThrowsInSleep { public $x = 1; public function __sleep(): array { throw new LogicException('from __sleep'); } }
    final class ThrowsInSerialize { public function __serialize(): array { throw new LogicException('from __serialize'); } }
    final class EndsTheScript { public function __serialize(): array { exit(7); } }
PHP;
$objects = [
    '__sleep' => 'new ThrowsInSleep()',
    '__serialize' => 'new ThrowsInSerialize()',
    'closure' => 'function () {}',
    'exit' => 'new EndsTheScript()',
];
$ends = [
    'session_write_close()' => 'session_write_close();',
    'the end of the script' => '',
    'a shutdown function' => 'register_shutdown_function(session_write_close(...));',
    'a destructor' => '$closing = new class { public function __destruct() { session_write_close(); } };',
    'session_regenerate_id()' => 'session_regenerate_id(false);',
];
foreach (['php', 'php_serialize', 'php_binary'] as $format) {
    ini_set('session.serialize_handler', $format);
    $id = strtr("kept-$format", '_', '-');
    foreach ($objects as $what => $object) {
        foreach ($ends as $how => $end) {
            put($id, ['x' => 'old']);
            $process = Process::run(<<<PHP
                $classes
                start('$id');
                \$_SESSION = ['before' => 1, 'object' => $object, 'after' => 2];
                $end
            PHP, ['session.serialize_handler' => $format]);
            $process->wait();
            ini_set('cloakroom.lock_wait', '0');
            start($id);
            same("$format, $what, $how: the session is free and as it was", ['x' => 'old'], $_SESSION);
            session_abort();
        }
    }
}
start($id);
$_SESSION['closure'] = fn () => 1;
try {
    // There is a warning besides.
    @session_write_close();
    $thrown = 'nothing';
} catch (Exception $exception) {
    $thrown = $exception->getMessage();
}
matches('the script gets the exception', '/Closure/', $thrown);
same('no session is active afterwards', PHP_SESSION_NONE, session_status());
same('another can be started', [true, ''], start('other'));
session_abort();
done();
--EXPECT--
63 claims hold
