--TEST--
A handler with an open() of its own, and one whose create_sid() answers the old id, give no new id to a session that others ended
--FILE--
<?php
require __DIR__ . '/../process.inc';
use_cloakroom(own_directory());

/** Passes on what it must; its open() and close() are its own, so the object inside is never opened. */
final class OwnOpen implements SessionHandlerInterface
{
    private Cloakroom\SessionHandler $inner;

    public function __construct(string $lock)
    {
        $this->inner = new Cloakroom\SessionHandler(lock: $lock);
    }

    public function open(string $path, string $name): bool
    {
        return true;
    }

    public function close(): bool
    {
        return true;
    }

    public function read(string $id): string|false
    {
        return $this->inner->read($id);
    }

    public function write(string $id, string $data): bool
    {
        return $this->inner->write($id, $data);
    }

    public function destroy(string $id): bool
    {
        return $this->inner->destroy($id);
    }

    public function gc(int $max_lifetime): int|false
    {
        return 0;
    }
}

/** Answers the id that the session has already; another request ends the session just then, or does not. */
final class SameId extends Cloakroom\SessionHandler
{
    public static ?string $id = null;
    public static bool $ends = false;

    public function create_sid(): string
    {
        if (self::$id === null) {
            return parent::create_sid();
        }
        if (self::$ends) {
            (new Cloakroom\SessionHandler())->destroy(self::$id);
        }

        return self::$id;
    }
}
$other = new Cloakroom\SessionHandler();

foreach (['exclusive', 'merge', 'none'] as $lock) {
    foreach ([true, false] as $deletes) {
        $name = $lock . ($deletes ? ', deleting' : ', keeping');
        session_set_save_handler(new OwnOpen($lock));
        $id = session_create_id();
        $other->write($id, 'user|i:1;');
        start($id);
        $_SESSION['page'] = 1;
        same("$name: a live session gets another id", [true, ''], with_warnings(fn () => session_regenerate_id($deletes)));
        $new = session_id();
        session_write_close();
        same("$name: with its data", [true, 'user|i:1;page|i:1;'], [$new !== $id, $other->read($new)]);

        $id = session_create_id();
        $other->write($id, 'user|i:1;');
        start($id);
        $other->destroy($id);
        [$answer, $warnings] = with_warnings(fn () => session_regenerate_id($deletes));
        same("$name: one that others ended gets none", false, $answer);
        matches("$name: and PHP says so", '/session_regenerate_id\(\): /', $warnings);
        $new = session_id();
        with_warnings(fn () => session_write_close());
        same("$name: nothing is stored", ['', ''], [$other->read($id), $new === '' ? '' : $other->read($new)]);
    }
}
foreach (['exclusive', 'merge', 'none'] as $lock) {
    session_set_save_handler(new SameId(lock: $lock));
    SameId::$id = null;
    $id = session_create_id();
    foreach ([false, true] as SameId::$ends) {
        SameId::$id = null;
        put($id, ['user' => 1]);
        start($id);
        SameId::$id = $id;
        with_warnings(fn () => session_regenerate_id(true));
        $_SESSION['page'] = 1;
        with_warnings(fn () => session_write_close());
        same("$lock: an id that takes its own place " . (SameId::$ends ? 'stays ended' : 'ends or stays, and is nothing else'), true,
            in_array($other->read($id), SameId::$ends ? [''] : ['', 'user|i:1;page|i:1;', 'user|i:1;'], true));
    }
}
done();
--EXPECT--
36 claims hold
