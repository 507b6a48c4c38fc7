--TEST--
A subclass of SessionHandler works on top of the handler
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());
// A replaced id would still be read for a while.
ini_set('cloakroom.grace', '0');

/** Records what PHP calls and leaves the work to the handler below. */
final class Recording extends SessionHandler
{
    public array $calls = [];

    public function open(string $path, string $name): bool
    {
        return $this->record(__FUNCTION__, parent::open($path, $name));
    }

    public function close(): bool
    {
        return $this->record(__FUNCTION__, parent::close());
    }

    public function create_sid(): string
    {
        return $this->record(__FUNCTION__, 'sub-' . parent::create_sid());
    }

    public function read(string $id): string|false
    {
        return strrev($this->record(__FUNCTION__, parent::read($id)));
    }

    public function write(string $id, string $data): bool
    {
        return $this->record(__FUNCTION__, parent::write($id, strrev($data)));
    }

    public function destroy(string $id): bool
    {
        return $this->record(__FUNCTION__, parent::destroy($id));
    }

    public function gc(int $max_lifetime): int|false
    {
        return $this->record(__FUNCTION__, parent::gc($max_lifetime));
    }

    private function record(string $call, mixed $result): mixed
    {
        $this->calls[] = $result === false ? "$call failed" : $call;

        return $result;
    }

    public function taken(): string
    {
        $calls = implode(' ', $this->calls);
        $this->calls = [];

        return $calls;
    }
}

$handler = new Recording();
same('PHP takes it', true, session_set_save_handler($handler));
same('a session starts', [true, ''], start(''));
$id = session_id();
matches('its own id is used', '/^sub-[0-9a-v]{32}$/', $id);
same('in this order', 'open create_sid read', $handler->taken());
$_SESSION['x'] = 1;
session_write_close();
same('writing', 'write close', $handler->taken());
start($id);
same('it reads what it wrote', ['x' => 1], $_SESSION);
$handler->taken();
same('the id can be regenerated', true, session_regenerate_id(true));
same('which destroys, opens and reads again', 'destroy close open create_sid read', $handler->taken());
same('the data came along', ['x' => 1], $_SESSION);
$new = session_id();
session_write_close();
start($id);
same('the old id has nothing', [], $_SESSION);
same('collections are passed on', 0, session_gc());
session_abort();
start($new);
same('the new id has the data', ['x' => 1], $_SESSION);
same('it can be reset', true, session_reset());
same('and destroyed', true, session_destroy());
session_id($new);
session_start();
same('for good', [], $_SESSION);
session_abort();
done();
--EXPECT--
15 claims hold
