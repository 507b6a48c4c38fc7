--TEST--
After the log-outs and log-ins of frameworks, call by call, the replaced id shows nothing that was taken away or added, and leads nowhere
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

$remove_user = function (): void {
    unset($_SESSION['user']);
};
$empty = function (): void {
    $_SESSION = [];
};
$rotate = fn () => same('rotates', [true, ''], with_warnings(fn () => session_regenerate_id(true)));
/** What each does, what the old id shows afterwards, and what the new one holds. */
$sequences = [
    'Yii2' => [[$rotate, 'session_unset', 'session_destroy'], [], []],
    'CakePHP' => [[$remove_user, $rotate], ['cart' => [1]], ['cart' => [1]]],
    'CodeIgniter' => [[$rotate, $remove_user], ['cart' => [1]], ['cart' => [1]]],
    'Moodle' => [[$rotate, fn () => $_SESSION = ['user' => 0]], [], ['user' => 0]],
    'Magento' => [[$remove_user, $rotate, 'session_destroy'], [], []],
    'Symfony' => [[$empty, $rotate], [], []],
    'Laminas' => [['session_unset', $rotate, fn () => $_SESSION['__Laminas'] = []], [], ['__Laminas' => []]],
    'Joomla' => [['session_destroy', 'restart', $rotate], [], []],
    'Drupal' => [[$empty, 'session_destroy'], [], []],
    'a rotation in the middle' => [[$rotate, $remove_user, 'session_write_close', 'session_start', $rotate], ['cart' => [1]], ['cart' => [1]]],
    'two rotations' => [[$rotate, $rotate, $remove_user], ['cart' => [1]], ['cart' => [1]]],
    'another user logs in' => [[$rotate, fn () => $_SESSION['user'] = 2], ['cart' => [1]], ['user' => 2, 'cart' => [1]]],
    'rights are added' => [[$rotate, fn () => $_SESSION['admin'] = true], ['user' => 1, 'cart' => [1]], ['user' => 1, 'cart' => [1], 'admin' => true]],
];
$all = function (string $handler) use ($sequences): void {
    in_both_modes(function (string $mode, bool $strict) use ($handler, $sequences): void {
        foreach (['exclusive', 'merge', 'none'] as $lock) {
            ini_set('cloakroom.lock', $lock);
            foreach ($sequences as $name => [$calls, $shows, $holds]) {
                $name = "$handler, $mode, $lock, $name";
                start('');
                $old = session_id();
                $_SESSION = ['user' => 1, 'cart' => [1]];
                session_write_close();

                start($old);
                foreach ($calls as $call) {
                    $call === 'restart' ? session_start() : $call();
                }
                $new = session_id();
                session_status() === PHP_SESSION_ACTIVE && session_write_close();

                $replaced = !in_array('session_destroy', [$calls[0], $calls[1]], true) || $calls[0] === $GLOBALS['rotate'];
                same("$name: what the old id shows", $shows, stored($old));
                same("$name: what the new id holds", $holds, stored($new));
                start($old);
                if ($replaced) {
                    $is_over = session_id() === $old;
                    check("$name: the old id validates", $is_over);
                    $_SESSION['late'] = 1;
                    same("$name: a rotation from it says true", [true, ''], with_warnings(fn () => session_regenerate_id(true)));
                    same("$name: and changes nothing", $old, session_id());
                    same("$name: one that keeps the old id, too", [true, ''], with_warnings(fn () => session_regenerate_id(false)));
                    same("$name: and changes nothing, either", $old, session_id());
                    same("$name: what it writes is dropped without a word", [true, ''], with_warnings(fn () => session_write_close()));
                    same("$name: what the old id shows then", $shows, stored($old));
                    same("$name: what the new id holds then", $holds, stored($new));
                    start($old);
                    session_destroy();
                    same("$name: destroying the old id ends its grace", [], stored($old));
                    same("$name: and nothing else", $holds, stored($new));
                } else {
                    session_write_close();
                }
            }
        }
        ini_restore('cloakroom.lock');
    });
};
$all('native');
session_set_save_handler(new Cloakroom\SessionHandler());
$all('class');
session_set_save_handler(new class extends Cloakroom\SessionHandler {
    public function destroy(string $id): bool
    {
        return parent::destroy($id);
    }
});
$all('subclass');
done();
--EXPECT--
2700 claims hold
