--TEST--
session_set_save_handler() with a handler of the script leaves Cloakroom's sessions alone, and the way back works
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

/** Keeps sessions in an array. */
final class InMemory implements SessionHandlerInterface
{
    public array $sessions = [];

    public function open(string $path, string $name): bool
    {
        return true;
    }

    public function close(): bool
    {
        return true;
    }

    public function read(string $id): string
    {
        return $this->sessions[$id] ?? '';
    }

    public function write(string $id, string $data): bool
    {
        $this->sessions[$id] = $data;

        return true;
    }

    public function destroy(string $id): bool
    {
        unset($this->sessions[$id]);

        return true;
    }

    public function gc(int $max_lifetime): int
    {
        return 0;
    }
}

put('same-id', ['in' => 'cloakroom']);
start('same-id');
[$set, $warnings] = with_warnings(fn () => session_set_save_handler(new InMemory(), false));
same('while a session is active it is refused', false, $set);
matches('by PHP', '/cannot be changed when a session is active/', $warnings);
[, $warnings] = with_warnings(fn () => session_module_name('files'));
matches('as is another module', '/cannot be changed when a session is active/', $warnings);
same('the module is still Cloakroom', 'cloakroom', session_module_name());
session_write_close();

$handler = new InMemory();
same('between sessions it can be set', true, session_set_save_handler($handler, false));
same('the module is then the script\'s', 'user', session_module_name());
same('its session starts', [true, ''], start('same-id'));
same('and is another one', [], $_SESSION);
same('Cloakroom\'s is free meanwhile', ['in' => 'cloakroom'], found_free('same-id'));
$_SESSION['in'] = 'memory';
session_write_close();
same('the handler of the script got the data', ['same-id' => 'in|s:6:"memory";'], $handler->sessions);
same('Cloakroom did not', ['in' => 'cloakroom'], found_free('same-id'));

same('the way back', 'user', session_module_name('cloakroom'));
same('leads to Cloakroom\'s session', ['in' => 'cloakroom'], stored('same-id'));
start('same-id');
$_SESSION['in'] = 'cloakroom again';
session_write_close();
same('which can be written', ['in' => 'cloakroom again'], found_free('same-id'));
same('and the script\'s handler is not asked', ['same-id' => 'in|s:6:"memory";'], $handler->sessions);

session_set_save_handler(new SessionHandler(), false);
same('PHP\'s own class works on top of Cloakroom', ['in' => 'cloakroom again'], stored('same-id'));
[$module, $warnings] = with_warnings(function (): mixed {
    try {
        return session_module_name('no-such-module');
    } catch (Error $error) {
        return $error->getMessage();
    }
});
check('a module that does not exist is refused', $module === false || is_string($module) && $warnings !== '' || str_contains((string) $module, 'cannot be found'), "$module $warnings");
same('after which sessions still work', ['in' => 'cloakroom again'], found_free('same-id'));
done();
--EXPECT--
18 claims hold
