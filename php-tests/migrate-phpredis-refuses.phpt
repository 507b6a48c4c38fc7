--TEST--
What cannot be migrated from phpredis is refused with a warning that says what to do: nothing is created here, nothing is lost there, nobody's id replaced
--SKIPIF--
<?php
require __DIR__ . '/old_php.inc';
skip_without('php-redis', ['igbinary', 'redis'], 'redis-server');
--FILE--
<?php
require __DIR__ . '/old_server.inc';
use_cloakroom(own_directory());

$server = OldServer::redis();
$path = "unix://$server->socket?auth[pass]=nobody-must-see-it&" . PATIENT;
$from = "redis:$path";
// Where another id took the place of this one, the start would succeed.
$start = fn (string $id) => "say(start('$id'));";
$redis = fn (string $code) => shell_exec(implode(' ', array_map(escapeshellarg(...), [
    ...old_php(['igbinary', 'redis']),
    '-r',
    "\$redis = new Redis(); \$redis->connect('$server->socket'); $code",
])));

$found = migrating($from, $start('any'), ['session.use_strict_mode' => '1']);
same('a wrong password is a failure', false, $found[0]);
matches('which says what to check', '/refused: user or password is wrong; check auth in its path/', $found[1]);
check('and not the password', !str_contains($found[1], 'nobody-must-see-it'));

$from = "redis:unix://$server->socket?" . PATIENT;
$redis('
    $session = "text|s:200:\"" . str_repeat("a", 200) . "\";";
    foreach (["zstd" => Redis::COMPRESSION_ZSTD, "lz4" => Redis::COMPRESSION_LZ4, "lzf" => Redis::COMPRESSION_LZF] as $id => $how) {
        $redis->setOption(Redis::OPT_COMPRESSION, $how);
        $redis->setex("PHPREDIS_SESSION:$id", 1000, $session);
    }
    $redis->setOption(Redis::OPT_COMPRESSION, 0);
    $redis->setex("PHPREDIS_SESSION:serialized", 1000, serialize(["n" => 1]));
    $redis->rPush("PHPREDIS_SESSION:list", "x");
');
$reasons = [
    'zstd' => '/compressed it \(zstd\); set redis.session.compression = none/',
    'lz4' => '/compressed it \(lz4\); set redis.session.compression = none/',
    'lzf' => '/not in the format of session.serialize_handler: it is compressed, or/',
    'serialized' => '/set session.serialize_handler to what it was there/',
    'list' => '/something else is stored under its name/',
];
$digest = fn () => $redis('foreach (["zstd", "lz4", "lzf", "serialized"] as $id) { echo md5($redis->get("PHPREDIS_SESSION:$id")), " "; } echo implode(" ", $redis->keys("*_LOCK"));');
$before = $digest();
foreach ($reasons as $id => $reason) {
    foreach (['0', '1'] as $strict) {
        $found = migrating($from, $start($id), ['session.use_strict_mode' => $strict]);
        same("$id is a failure (strict mode $strict)", false, $found[0]);
        matches("which says why ($id)", $reason, $found[1]);
    }
    $reader = migrating($from, "say(start('$id', ['read_and_close' => true]));");
    same("it fails for a reader too ($id)", false, $reader[0]);
    same("nothing is here ($id)", [], stored($id));
}
same('all of it is there as it was, and free', $before, $digest());
$serialized = migrating($from, 'start("serialized"); say($_SESSION);', ['session.serialize_handler' => 'php_serialize']);
same('with the right setting it is migrated', ['n' => 1], $serialized);

$old = OldHandler::phpredis("unix://$server->socket");
$old->request('down', ['n' => 1]);
$server->kill();
foreach (['0', '1'] as $strict) {
    $found = migrating($from, $start('down'), ['session.use_strict_mode' => $strict]);
    same("a server that is down is a failure (strict mode $strict)", false, $found[0]);
    matches('which says where', '~redis:unix://\S+ cannot be read: the server cannot be reached~', $found[1]);
}
same('nothing is here', [], stored('down'));
put('here', ['n' => 1]);
same('a session that is here does not need it', [[true, ''], ['n' => 1]], migrating($from, 'say([start("here"), $_SESSION]);'));
done();
--EXPECT--
63 claims hold
