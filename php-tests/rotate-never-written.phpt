--TEST--
A log-out holds where the new session is never written: $_SESSION is no array, or a handler around this one keeps calls to itself or makes others
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

/** A session; its id. */
function begun(): string
{
    start('');
    $_SESSION = ['user' => 1, 'cart' => [1]];
    $id = session_id();
    session_write_close();

    return $id;
}

class Around extends Cloakroom\SessionHandler
{
}

/** Stores no empty session, as some handlers do. */
class StoresNoEmptySession extends Around
{
    public function write(string $id, string $data): bool
    {
        return $data === '' || parent::write($id, $data);
    }
}

/** Answers for a session that it has begun itself and not stored, as Symfony's handlers do. */
class KeepsItsNewSession extends Around
{
    private ?string $new = null;

    public function open(string $path, string $name): bool
    {
        $this->new = null;

        return parent::open($path, $name);
    }

    public function create_sid(): string
    {
        return $this->new = parent::create_sid();
    }

    public function write(string $id, string $data): bool
    {
        return $data === '' ? $this->destroy($id) : parent::write($id, $data);
    }

    public function destroy(string $id): bool
    {
        return $id === $this->new || parent::destroy($id);
    }
}

/** Ends more than it is told to. */
class DestroysMore extends Around
{
    public function destroy(string $id): bool
    {
        return parent::destroy($id) && parent::destroy("old$id");
    }
}

/** Closes after each end. */
class ClosesTwice extends Around
{
    public function destroy(string $id): bool
    {
        return parent::destroy($id) && parent::close();
    }
}

/** Closes before each beginning. */
class ClosesFirst extends Around
{
    public function open(string $path, string $name): bool
    {
        parent::close();

        return parent::open($path, $name);
    }
}

/** Looks whether a new id is free by reading it. */
class ReadsNewIds extends Around
{
    public function create_sid(): string
    {
        do {
            $id = parent::create_sid();
        } while (parent::read($id) !== '');

        return $id;
    }
}

$remove = function (): void {
    unset($_SESSION['user']);
};
$rotate = fn () => session_regenerate_id(true);
$ends = [
    'null after it' => [$rotate, fn () => $_SESSION = null],
    'a string before it' => [fn () => $_SESSION = '', $rotate],
    'nothing after it' => [$rotate, fn () => $_SESSION = []],
    'nothing before it' => [fn () => $_SESSION = [], $rotate],
    'the user after two of them' => [$rotate, $rotate, $remove],
    'the user before it' => [$remove, $rotate],
];
$handlers = ['Around', 'StoresNoEmptySession', 'KeepsItsNewSession', 'DestroysMore', 'ClosesTwice', 'ClosesFirst', 'ReadsNewIds'];
foreach ([null, ...$handlers] as $handler) {
    if ($handler !== null) {
        session_set_save_handler(new $handler());
    }
    in_both_modes(function (string $mode) use ($handler, $ends): void {
        foreach (['exclusive', 'merge', 'none'] as $lock) {
            ini_set('cloakroom.lock', $lock);
            foreach ($ends as $what => $calls) {
                $name = ($handler ?? 'native') . ", $mode, $lock, $what";
                start($old = begun());
                [, $warnings] = with_warnings(function () use ($calls): void {
                    foreach ($calls as $call) {
                        $call();
                    }
                    session_write_close();
                });
                same("$name: without a warning", '', $warnings);
                start($old);
                $kept = $_SESSION['user'] ?? null;
                $_SESSION['late'] = 1;
                session_write_close();
                same("$name: nobody is logged in under the old id", null, $kept);
                start($old);
                check("$name: which cannot be written", !isset($_SESSION['late']) || session_id() !== $old);
                session_abort();
            }
        }
        ini_restore('cloakroom.lock');
    });
}

// A handler that the script has made let go of its session.
session_set_save_handler($handler = new Cloakroom\SessionHandler());
foreach ([fn () => $handler->read('another'), fn () => $handler->write(session_id(), session_encode())] as $what => $lets_go) {
    foreach ([true, false] as $deletes) {
        start($id = begun());
        $lets_go();
        (new Cloakroom\SessionHandler())->destroy($id);
        same("let go $what: a rotation of what somebody has ended says true", [true, ''], with_warnings(fn () => session_regenerate_id($deletes)));
        same("let go $what: and changes nothing", $id, session_id());
        session_write_close();
        same("let go $what: nobody is logged in", [], stored($id));
    }
}
done();
--EXPECT--
876 claims hold
