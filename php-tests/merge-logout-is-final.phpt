--TEST--
A merging request does not bring a destroyed session back, nor does it write to a replaced one
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock', 'merge');

$slow = <<<'PHP'
    ini_set('cloakroom.lock', 'merge');
    start(ARGUMENT);
    $_SESSION['slow'] = 1;
    say('reads');
    hear();
    say(with_warnings(session_write_close(...)));
PHP;
in_both_modes(function (string $mode, bool $strict) use ($slow): void {
    foreach (['destroyed', 'destroyed and begun again', 'replaced'] as $case) {
        // Strict mode accepts no id that has no session.
        ini_set('session.use_strict_mode', '0');
        $id = session_create_id();
        put($id, ['user' => 'ada']);
        ini_set('session.use_strict_mode', $strict ? '1' : '0');
        $process = Process::run("const ARGUMENT = '$id';" . $slow);
        $process->hear();
        start($id);
        $case === 'replaced' ? session_regenerate_id(true) : session_destroy();
        $new = session_id();
        session_status() === PHP_SESSION_ACTIVE && session_write_close();
        ini_set('session.use_strict_mode', '0');
        if ($case === 'destroyed and begun again') {
            put($id, ['user' => 'bob']);
        }
        $process->tell('go on');
        same("$mode, $case: the slow one ends quietly", [true, ''], $process->hear());
        $expected = match ($case) {
            'destroyed' => [],
            'destroyed and begun again' => ['user' => 'bob'],
            'replaced' => ['user' => 'ada'],
        };
        same("$mode, $case: and wrote nothing", $expected, stored($id));
        if ($case === 'replaced') {
            same("$mode, $case: nor under the new id", ['user' => 'ada'], stored($new));
        }
    }
});
done();
--EXPECT--
14 claims hold
