--TEST--
A handler whose destroy() calls session_destroy() before its parent's ends the session, once
--INI--
report_memleaks=0
--FILE--
<?php
// A debug build of PHP 8.2 loses the id here, with a child of its own SessionHandler as well, and would report that.
require __DIR__ . '/session_object.inc';
use_objects(own_directory());

final class Twice extends Cloakroom\SessionHandler
{
    public static ?string $parents = null;

    public function destroy(string $id): bool
    {
        $inner = session_destroy();
        $ended = parent::destroy($id);
        self::$parents = var_export([$inner, $ended], true);

        return $ended;
    }
}
$other = new Cloakroom\SessionHandler();
session_set_save_handler(new Twice());
foreach (['exclusive', 'merge', 'none'] as $lock) {
    ini_set('cloakroom.lock', $lock);
    put("id-$lock", ['x' => 1]);
    start("id-$lock");
    [$destroyed, $warnings] = with_warnings(fn () => session_destroy());
    same("$lock: it is destroyed", true, $destroyed);
    matches("$lock: PHP says that calls are not nested", '/Cannot call session save handler in a recursive manner/', $warnings);
    same("$lock: nothing is left", '', $other->read("id-$lock"));
    same("$lock: and no session is open", PHP_SESSION_NONE, session_status());
    put("id-$lock", ['x' => 2]);
    same("$lock: the next one is an ordinary one", ['x' => 2], stored("id-$lock"));
}
done();
--EXPECT--
15 claims hold
