--TEST--
A session that does not fit into memory_limit is neither emptied nor destroyed nor left locked
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '10');

// Many small values: decoding takes several times the memory of the payload.
$data = [];
for ($i = 0; $i < 60_000; $i++) {
    $data["key$i"] = ["value $i"];
}
put('large', $data);
$ends = [];
foreach (['3M', '6M', '10M', '16M'] as $limit) {
    $small = Process::run('start("large"); say("started"); ', ['memory_limit' => $limit]);
    $small->wait();
    $ends[$limit] = str_contains($small->complaints(), 'Allowed memory size');
}
check('the smallest limits end the script', $ends['3M'] && $ends['6M'], fn () => shown($ends));
same('the next request gets the lock', [true, ''], start('large'));
check('and finds the session whole', $_SESSION === $data, fn () => shown($_SESSION));
$_SESSION['more'] = 1;
session_write_close();
same('it can be written', 1, stored('large')['more']);
$small = Process::run(<<<'PHP'
    start('growing');
    $_SESSION['x'] = 'stored';
    session_write_close();
    start('growing');
    $_SESSION['x'] = str_repeat('x', 7_000_000);
    say('encodes');
PHP, ['memory_limit' => '16M']);
$small->hear();
$small->wait();
$found = stored('growing')['x'];
check('a session that cannot be encoded is stored whole or stays as it was', $found === 'stored' || $found === str_repeat('x', 7_000_000));
done();
--EXPECT--
5 claims hold
