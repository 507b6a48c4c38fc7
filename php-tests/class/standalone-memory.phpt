--TEST--
An object that nobody opened remembers each session that it read, for as long as an end is remembered, and 4,096 of them
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());

$other = new Cloakroom\SessionHandler(lock: 'none');
$read_others = function (SessionHandlerInterface $handler, int $count): void {
    for ($number = 0; $number < $count; $number++) {
        $handler->read("other-$number");
    }
};
foreach (['exclusive', 'merge'] as $lock) {
    foreach ([8, 9, 200] as $count) {
        $when = "$lock, after $count other ids";
        $handler = new Cloakroom\SessionHandler(lock: $lock);
        $other->write("$lock-$count", serialize(['a' => 1]));
        $handler->read("$lock-$count");
        $read_others($handler, $count);
        $other->write("$lock-$count", serialize(['a' => 1, 'b' => 2]));
        refused("$when: a change of others is not replaced", $handler, "$lock-$count", serialize(['a' => 1, 'c' => 3]));
        same("$when: it stays", ['a' => 1, 'b' => 2], unserialize($other->read("$lock-$count")));
        $other->destroy("$lock-$count");
        same("$when: a write after a log-out is dropped", [true, ''], with_warnings(fn () => $handler->write("$lock-$count", 'in')));
        same("$when: and the log-out is final", false, $other->validateId("$lock-$count"));
    }
}
$handler = new Cloakroom\SessionHandler(lock: 'merge');
$other->write('merged', serialize(['a' => 1]));
$handler->read('merged');
$read_others($handler, 7);
$other->write('merged', serialize(['a' => 1, 'b' => 2]));
same('among the last eight it is merged', true, $handler->write('merged', serialize(['a' => 1, 'c' => 3])));
same('with both changes', ['a' => 1, 'b' => 2, 'c' => 3], unserialize($other->read('merged')));

$handler = new Cloakroom\SessionHandler();
$read_others($handler, 4096);
$other->write('further', 'stored');
[$read, $warnings] = with_warnings(fn () => $handler->read('further'));
same('a read beyond 4,096 ids fails', false, $read);
matches('and says what to do', '/SessionHandler::read\(\): Cloakroom: this object has read 4096 sessions .*another object/', $warnings);
refused('what it could not read it does not write', $handler, 'further', 'lost', '/reading the session did not complete/');
same('so it stays', 'stored', $other->read('further'));
same('ids that it knows can be read', ['', ''], with_warnings(fn () => $handler->read('other-0')));
same('and written', [true, ''], with_warnings(fn () => $handler->write('other-0', 'known')));
same('so can an id that it never read', [true, ''], with_warnings(fn () => $handler->write('new', 'new')));
$other->write('other-1', 'newer');
refused('it still replaces nothing', $handler, 'other-1', 'older');
$handler->destroy('other-2');
same('a destroyed one makes room', ['stored', ''], with_warnings(fn () => $handler->read('further')));
same('another object reads on', 'stored', (new Cloakroom\SessionHandler())->read('further'));

ini_set('cloakroom.tombstone', '1');
$handler = new Cloakroom\SessionHandler();
$handler->read('brief');
$other->write('brief', 'newer');
wait_until('the object has forgotten what it read', fn () => with_warnings(fn () => $handler->write('brief', 'mine'))[0]);
same('then the id counts as never read', 'mine', $other->read('brief'));
done();
--EXPECT--
45 claims hold
