--TEST--
Directives are validated when PHP starts; a wrong value leaves the default
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$wrong = [
    'cloakroom.lock' => ['Merge', 'sometimes'],
    'cloakroom.lock_wait' => ['soon'],
    'cloakroom.max_waiters' => ['-5'],
    'cloakroom.tombstone' => ['for ever'],
    'cloakroom.size' => ['7M', '65G', 'big', '-1'],
    'cloakroom.namespace' => [str_repeat('n', 65)],
    'cloakroom.user' => ['auth..id', 'auth.id,', '.id', str_repeat('u', 1025), implode('.', range(1, 17)), implode(',', range(1, 17))],
];
foreach ($wrong as $name => $values) {
    foreach ($values as $value) {
        $process = Process::run('say(ini_get(hear())); say(start("works"));', [$name => $value]);
        $process->tell($name);
        same("$name = \"$value\": the default stays", ini_get($name), $process->hear());
        same("$name = \"$value\": sessions work", [true, ''], $process->hear());
        same("$name = \"$value\": PHP ends normally", 0, $process->wait());
        matches("$name = \"$value\": a warning names the directive", '/' . preg_quote($name) . '/', $process->complaints());
    }
}

$right = [
    'cloakroom.lock' => 'none',
    'cloakroom.lock_wait' => '7',
    'cloakroom.max_waiters' => '3',
    'cloakroom.tombstone' => '60',
    'cloakroom.size' => '64M',
    'cloakroom.namespace' => 'shop',
    'cloakroom.user' => '_auth.User.id, user_id, login_web_*',
];
$process = Process::run('say(array_map(ini_get(...), explode(" ", hear()))); say(start("works"));', $right);
$process->tell(implode(' ', array_keys($right)));
same('right values are taken', array_values($right), $process->hear());
same('sessions work', [true, ''], $process->hear());
$process->wait();
same('without a complaint', '', $process->complaints());
done();
--EXPECT--
67 claims hold
