--TEST--
An opened object that writes a session twice replaces nothing that others have written in between
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());

$other = new Cloakroom\SessionHandler(lock: 'none');
$opened = function (string $lock): Cloakroom\SessionHandler {
    $handler = new Cloakroom\SessionHandler(lock: $lock);
    $handler->open('', '');

    return $handler;
};
$found = function (string $id): array {
    $data = unserialize((new Cloakroom\SessionHandler())->read($id));
    ksort($data);

    return $data;
};
$writes = fn (Cloakroom\SessionHandler $handler, string $id, array $data): array => with_warnings(fn () => $handler->write($id, serialize($data)));

foreach (['exclusive' => true, 'merge' => true, 'none' => false] as $lock => $keeps) {
    $id = "first-$lock";
    $other->write($id, serialize(['a' => 1]));
    $handler = $opened($lock);
    $handler->read($id);
    same("$lock: a first write", [true, ''], $writes($handler, $id, ['a' => 1, 'b' => 1]));
    same("$lock: unlocks", true, (new Cloakroom\SessionHandler())->write($id, serialize(['a' => 1, 'b' => 1, 'theirs' => 1])));
    same("$lock: a second write", [true, ''], $writes($handler, $id, ['a' => 2, 'b' => 1]));
    same("$lock: " . ($keeps ? 'keeps what others wrote' : 'is the last one'), $keeps ? ['a' => 2, 'b' => 1, 'theirs' => 1] : ['a' => 2, 'b' => 1], $found($id));
    same("$lock: a third one, which removes", [true, ''], $writes($handler, $id, ['a' => 2]));
    same("$lock: does so", $keeps ? ['a' => 2, 'theirs' => 1] : ['a' => 2], $found($id));
    $other->write($id, serialize(['a' => 2, 'theirs' => 2]));
    same("$lock: a fourth one", [true, ''], $writes($handler, $id, ['a' => 3]));
    same("$lock: is merged again", $keeps ? ['a' => 3, 'theirs' => 2] : ['a' => 3], $found($id));
    $other->destroy($id);
    same("$lock: one after a log-out", [true, ''], $writes($handler, $id, ['a' => 4]));
    same("$lock: is dropped", false, $other->validateId($id));
    $handler->close();

    // Whatever comes between the read, or a write, and the next one.
    $theirs = fn (string $id) => (new Cloakroom\SessionHandler(lock: 'none'))->write($id, serialize(['a' => 1, 'theirs' => 1]));
    $sequences = [
        'reads another' => [fn () => $handler->read('another'), $theirs],
        'writes, and reads another' => ['write', $theirs, fn () => $handler->read('another')],
        'writes another' => [fn () => $handler->write('another', 'x'), $theirs],
        'extends it' => ['touch', $theirs],
        'writes, and extends it' => ['write', $theirs, 'touch'],
    ];
    foreach ($sequences as $what => $steps) {
        $id = bin2hex(random_bytes(8));
        $other->write($id, serialize(['a' => 1]));
        $handler = $opened($lock);
        $handler->read($id);
        foreach ($steps as $step) {
            match ($step) {
                'write' => $writes($handler, $id, ['a' => 1]),
                'touch' => $handler->updateTimestamp($id, serialize(['a' => 1])),
                default => $step($id),
            };
        }
        same("$lock: an object that $what, then writes", [true, ''], $writes($handler, $id, ['a' => 2]));
        same("$lock: an object that $what: " . ($keeps ? 'both are there' : 'the last write'), $keeps ? ['a' => 2, 'theirs' => 1] : ['a' => 2], $found($id));
        $handler->close();
    }

    $id = "new-$lock";
    $handler = $opened($lock);
    same("$lock: a session that was not read", [true, ''], $writes($handler, $id, ['a' => 1]));
    $other->write($id, serialize(['a' => 1, 'theirs' => 1]));
    same("$lock: is written again", [true, ''], $writes($handler, $id, ['a' => 2]));
    same("$lock: with what others wrote since", $keeps ? ['a' => 2, 'theirs' => 1] : ['a' => 2], $found($id));
    $handler->read($id);
    $other->write($id, serialize(['theirs' => 2]));
    $writes($handler, $id, ['a' => 5, 'theirs' => 1]);
    same("$lock: after a read it stands on that", $keeps ? ['a' => 5, 'theirs' => 2] : ['a' => 5, 'theirs' => 1], $found($id));
    $handler->close();
    $handler->open('', '');
    $other->write($id, serialize(['theirs' => 3]));
    $writes($handler, $id, ['a' => 6]);
    same("$lock: after a close, too, a key that it leaves out is gone", ['a' => 6], $found($id));
}
done();
--EXPECT--
75 claims hold
