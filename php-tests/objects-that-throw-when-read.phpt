--TEST--
A session whose objects throw while they are decoded is not destroyed and not left locked
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

#[AllowDynamicProperties]
final class Fragile
{
    public string $content = 'kept';
}
$before = ['first' => 1, 'object' => new Fragile(), 'last' => 2];

$throwing = [
    'a class loader that throws' => 'spl_autoload_register(fn ($class) => throw new LogicException("no $class today"));',
    'a class loader that ends the script' => 'spl_autoload_register(fn ($class) => exit(7));',
    '__unserialize' => 'final class Fragile { public function __unserialize(array $data): void { throw new LogicException("not today"); } }',
    '__wakeup' => 'final class Fragile { public $content; public function __wakeup(): void { throw new LogicException("not today"); } }',
];
foreach (['php', 'php_serialize', 'php_binary'] as $format) {
    ini_set('session.serialize_handler', $format);
    $id = strtr("fragile-$format", '_', '-');
    foreach ($throwing as $what => $code) {
        put($id, $before);
        $process = Process::run(<<<PHP
            $code
            try {
                start('$id');
                say('started');
            } catch (LogicException \$exception) {
                say(\$exception->getMessage());
                // What such a script stores is its own decision; this one stores nothing.
                session_abort();
            } finally {
                hear();
            }
        PHP, ['session.serialize_handler' => $format]);
        if (str_contains($what, 'ends')) {
            same("$format, $what: it ends", 7, $process->wait());
        } else {
            matches("$format, $what: the script gets the exception", '/today/', $process->hear());
        }
        ini_set('cloakroom.lock_wait', '0');
        [$started, $warnings] = start($id);
        same("$format, $what: the session is free", [true, ''], [$started, $warnings]);
        same("$format, $what: and whole", [1, 'kept', 2], [$_SESSION['first'] ?? null, $_SESSION['object']->content ?? null, $_SESSION['last'] ?? null]);
        session_abort();
        if (!str_contains($what, 'ends')) {
            $process->tell('end');
            $process->wait();
        }
    }
}
done();
--EXPECT--
36 claims hold
