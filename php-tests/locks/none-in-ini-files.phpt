--TEST--
cloakroom.lock = none means none in an ini file, without quotes, where PHP makes an empty value of the word
--FILE--
<?php
require __DIR__ . '/../process.inc';
use_cloakroom($store = own_directory());
start('held');

$script = "$store/../" . basename($store) . '-script.php';
at_end(fn () => unlink($script));
file_put_contents($script, '<?php require ' . var_export(__DIR__ . '/../other_process.inc', true) . ';' . <<<'PHP'
    use_cloakroom($argv[1]);
    ini_set('cloakroom.lock_wait', '0');
    $starts = function (): bool {
        $started = start('held')[0];
        session_abort();

        return $started;
    };
    say([
        ini_get('cloakroom.lock'),
        $starts(),
        ini_set('cloakroom.lock', 'exclusive'),
        $starts(),
        with_warnings(fn () => ini_set('cloakroom.lock', ''))[0],
        $starts(),
        ini_restore('cloakroom.lock'),
        $starts(),
    ]);
PHP);
foreach (['none', 'None', '"none"'] as $word) {
    $command = escapeshellarg(PHP_BINARY) . ' ' . getenv('TEST_PHP_EXTRA_ARGS') . ' -d ' . escapeshellarg("cloakroom.lock=$word");
    $said = (string) shell_exec("$command " . escapeshellarg($script) . ' ' . escapeshellarg($store));
    // A script may choose the empty value only where it is what the configuration says.
    $quoted = $word === '"none"';
    $value = $quoted ? 'none' : '';
    $expected = [$value, true, $value, false, $quoted ? false : 'exclusive', !$quoted, null, true];
    same("$word: a start waits only while the script says so", $expected, unserialize(base64_decode($said)));
}
session_abort();
done();
--EXPECT--
3 claims hold
