--TEST--
A payload of a replaced id that cannot be decoded, and an empty one that a handler destroys instead of writing, end the grace and harm nobody else
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

/** Begins a session. */
function begun(): string
{
    start('');
    $_SESSION = ['user' => 1];
    $id = session_id();
    session_write_close();

    return $id;
}

/** Gives a session another id; both ids. */
function replaced(): array
{
    start($old = begun());
    session_regenerate_id(true);
    $new = session_id();
    session_write_close();

    return [$old, $new];
}

in_both_modes(function (string $mode): void {
    [$old, $new] = replaced();
    ini_set('session.serialize_handler', 'php_serialize');
    [, $warnings] = start($old);
    matches("$mode: PHP cannot decode it", '/Failed to decode session object\. Session has been destroyed/', $warnings);
    @session_abort();
    ini_set('session.serialize_handler', 'php');
    same("$mode: the new id's session is there", ['user' => 1], stored($new));
    same("$mode: and can be written", [true, ''], start($new));
    $_SESSION['more'] = 2;
    same("$mode: as ever", [true, ''], with_warnings(fn () => session_write_close()));
    same("$mode: and is", ['user' => 1, 'more' => 2], stored($new));
    same("$mode: the old id shows nothing", [], stored($old));
});

// As Symfony's handlers do.
session_set_save_handler(new class extends Cloakroom\SessionHandler {
    public function write(string $id, string $data): bool
    {
        return $data === '' ? $this->destroy($id) : parent::write($id, $data);
    }
});
in_both_modes(function (string $mode): void {
    [$old, $new] = replaced();
    start($old);
    $_SESSION = [];
    same("$mode: an empty session is destroyed under the old id", [true, ''], with_warnings(fn () => session_write_close()));
    same("$mode: the new id's session is there all the same", ['user' => 1], stored($new));
    same("$mode: the old id shows nothing any more", [], stored($old));

    start($old = begun());
    $_SESSION = [];
    same("$mode: an empty session gets another id", true, session_regenerate_id(true));
    $new = session_id();
    same("$mode: and is destroyed there", [true, ''], with_warnings(fn () => session_write_close()));
    same("$mode: nothing shows under the old id", [], stored($old));
    same("$mode: nor under the new one", [], stored($new));
});
done();
--EXPECT--
26 claims hold
