--TEST--
What cannot be migrated from php-memcached is refused with a warning: nothing is created here, nothing is lost there, nobody's id replaced
--SKIPIF--
<?php
require __DIR__ . '/old_php.inc';
skip_without('php-memcached', ['igbinary', 'msgpack', 'memcached'], 'memcached');
--FILE--
<?php
require __DIR__ . '/old_server.inc';
use_cloakroom(own_directory());

$server = OldServer::memcached();
$from = "memcached:$server->socket?timeout=20";
// Where another id took the place of this one, the start would succeed.
$start = fn (string $id) => "say(start('$id'));";
$ask = function (string $command) use ($server): string {
    $connection = stream_socket_client("unix://$server->socket");
    fwrite($connection, $command);

    return rtrim(fgets($connection), "\r\n");
};
same('a value with flags is there', 'STORED', $ask("set memc.sess.key.flags 48 0 6\r\nn|i:1;\r\n"));
same('a value that is no session is there', 'STORED', $ask("set memc.sess.key.other 0 0 6\r\n{[1]}!\r\n"));
$reasons = ['flags' => '/php-memcached compressed it/', 'other' => '/not in the format of session.serialize_handler/'];
foreach ($reasons as $id => $reason) {
    foreach (['0', '1'] as $strict) {
        $found = migrating($from, $start($id), ['session.use_strict_mode' => $strict]);
        same("$id is a failure (strict mode $strict)", false, $found[0]);
        matches("which says why ($id)", $reason, $found[1]);
    }
    same("nothing is here ($id)", [], stored($id));
    matches("it is there ($id)", '/^VALUE/', $ask("get memc.sess.key.$id\r\n"));
    same("and free ($id)", 'END', $ask("get memc.sess.key.lock.$id\r\n"));
}
$server->kill();
foreach (['0', '1'] as $strict) {
    $found = migrating($from, $start('down'), ['session.use_strict_mode' => $strict]);
    same("a server that is down is a failure (strict mode $strict)", false, $found[0]);
    matches('which says where', '~memcached:/\S+ cannot be read: the server cannot be reached~', $found[1]);
}
same('nothing is here', [], stored('down'));
done();
--EXPECT--
27 claims hold
