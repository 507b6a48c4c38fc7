--TEST--
An object works on single sessions where no session of PHP is active
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());

$handler = new Cloakroom\SessionHandler();
same('an id without a session reads as nothing', '', $handler->read('visitor'));
same('and is not known', false, $handler->validateId('visitor'));
same('it can be written', true, $handler->write('visitor', 'first'));
same('and read', 'first', $handler->read('visitor'));
same('then it is known', true, $handler->validateId('visitor'));
same('it can be written again and again', [true, true], [$handler->write('visitor', 'second'), $handler->write('visitor', 'third')]);
$bytes = implode(array_map(chr(...), range(0, 255)));
foreach ([$bytes, '', str_repeat($bytes, 4096)] as $data) {
    $handler->write('bytes', $data);
    same(strlen($data) . ' bytes come back', true, $handler->read('bytes') === $data);
}
same('another object has the same sessions', 'third', (new Cloakroom\SessionHandler())->read('visitor'));
$other = Process::run(with_object('say($handler->read("visitor")); say($handler->write("visitor", "fourth"));'));
same('another process has them, too', ['third', true], [$other->hear(), $other->hear()]);
$other->wait();
same('and shares them', 'fourth', $handler->read('visitor'));
$handler->destroy('visitor');
same('what an object destroyed it may write anew, without a read', [true, 'fifth'], [$handler->write('visitor', 'fifth'), $handler->read('visitor')]);
same('a session can be destroyed', true, $handler->destroy('visitor'));
same('once or more often', true, $handler->destroy('visitor'));
same('it is gone', ['', false], [$handler->read('visitor'), $handler->validateId('visitor')]);
same('its id can be used again', [true, 'new'], [$handler->write('visitor', 'new'), $handler->read('visitor')]);
same('a missing session is written by a touch', [true, 'touched'], [$handler->updateTimestamp('other', 'touched'), $handler->read('other')]);
same('one that is there is not', [true, 'touched'], [$handler->updateTimestamp('other', 'changed'), $handler->read('other')]);
same('no session of PHP was started', PHP_SESSION_NONE, session_status());
same('PHP still has its own handler', 'files', session_module_name());

foreach (['no/id', '', str_repeat('a', 257)] as $id) {
    $what = strlen($id) . ' characters that are no id';
    same("$what are unknown", [false, ''], with_warnings(fn () => $handler->validateId($id)));
    foreach (['read' => [], 'write' => ['x'], 'destroy' => [], 'updateTimestamp' => ['x']] as $method => $arguments) {
        [$result, $warnings] = with_warnings(fn () => $handler->$method($id, ...$arguments));
        same("$what: $method() fails", false, $result);
        matches("$what: $method() says why", "/SessionHandler::$method\(\): .*session id/", $warnings);
    }
}
[$written, $warnings] = with_warnings(fn () => $handler->write('visitor', str_repeat('x', (16 << 20) + 1)));
same('too much data is refused', false, $written);
matches('with a warning', '/16777216 bytes/', $warnings);
same('and what was there stays', 'new', $handler->read('visitor'));
done();
--EXPECT--
51 claims hold
