--TEST--
Overlapping requests on single sessions: a write replaces nothing that its object has not read
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());
ini_set('cloakroom.lock_wait', '10');

$slow = new Cloakroom\SessionHandler();
$slow->write('shared', 'before');
$slow->read('shared');
$fast = Process::run(with_object(<<<'PHP'
    while (true) {
        [$method, $arguments] = unserialize(base64_decode(hear()));
        say(with_warnings(fn () => $handler->$method(...$arguments)));
    }
PHP));
$elsewhere = function (string $method, mixed ...$arguments) use ($fast): mixed {
    $fast->tell(base64_encode(serialize([$method, $arguments])));

    return $fast->hear();
};

same('another process may read as well', ['before', ''], $elsewhere('read', 'shared'));
same('and is the first to write', [true, ''], $elsewhere('write', 'shared', 'newer'));
refused('the slower one is refused', $slow, 'shared', 'from before');
refused('as often as it tries', $slow, 'shared', 'from before');
same('the newer data is there', 'newer', $slow->read('shared'));
same('after reading it, it may write', true, $slow->write('shared', 'from newer'));
same('now the other one would be refused', false, $elsewhere('write', 'shared', 'newest')[0]);
same('but what it wrote itself, unchanged, contradicts nothing', [true, ''], $elsewhere('write', 'shared', 'newer'));
same('and replaces nothing', 'from newer', $slow->read('shared'));

same('an id that was never read may be written', [true, ''], $elsewhere('write', 'unread', 'first'));
same('by whom it may be', true, $slow->write('unread', 'second'));
same('the last one counts', ['second', ''], $elsewhere('read', 'unread'));

$slow->read('ended');
$slow->write('ended', 'logged in');
same('another process logs the visitor out', [true, ''], $elsewhere('destroy', 'ended'));
same('a slower request does not bring the session back', [true, ''], with_warnings(fn () => $slow->write('ended', 'still logged in')));
same('in any way', [true, ''], with_warnings(fn () => $slow->updateTimestamp('ended', 'logged in')));
same('it stays ended', false, $slow->validateId('ended'));
same('the same id can begin anew', [true, ''], $elsewhere('write', 'ended', 'another visit'));
same('which the slower request does not touch either', [true, 'another visit'], [$slow->write('ended', 'still logged in'), $slow->read('ended')]);

$none = new Cloakroom\SessionHandler(lock: 'none');
$none->read('shared');
$elsewhere('read', 'shared');
$elsewhere('write', 'shared', 'newer');
same('without a lock the last write wins', [true, ''], with_warnings(fn () => $none->write('shared', 'last')));
same('whatever was there', ['last', ''], $elsewhere('read', 'shared'));

// A session of PHP in another process holds its lock for longer than one call.
$slow->read('held');
$slow->write('held', 'x|i:1;');
$holder = Process::run('say(start("held")); hear(); $_SESSION["x"] = 2; session_write_close(); say("closed"); hear();');
same('a session of PHP holds the lock', [true, ''], $holder->hear());
same('a single session is read all the same', 'x|i:1;', $slow->read('held'));
ini_set('cloakroom.lock_wait', '0');
refused('a write does not wait for ever', $slow, 'held', 'x|i:7;', "/process $holder->pid has held it/");
ini_set('cloakroom.lock_wait', '10');
$writer = Process::run(with_object('$handler->read("held"); say("reads"); say(with_warnings(fn () => $handler->write("held", "x|i:8;")));'));
same('one that waits', 'reads', $writer->hear());
$writer->sleeps();
$holder->tell('close');
same('until it may', 'closed', $holder->hear());
[$written, $warnings] = $writer->hear();
same('finds that the session has moved', false, $written);
matches('and says so', '/another request has changed the session/', $warnings);
same('so nothing is lost', 'x|i:2;', $slow->read('held'));
done();
--EXPECT--
31 claims hold
