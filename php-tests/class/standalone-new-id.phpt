--TEST--
An object that nobody opened gives no new id to a session that others have ended since it read it
--FILE--
<?php
require __DIR__ . '/session_object.inc';
require __DIR__ . '/framework_session.inc';
use_objects(own_directory());
$session_of = fn (string $id, ?string $lock = null) => (new FrameworkSession(new Cloakroom\SessionHandler(lock: $lock), $id))->start();
$refused = function (): int {
    ini_set('session.save_handler', 'files');

    return Cloakroom\status()['refused_writes'];
};
$other = new Cloakroom\SessionHandler();
$new_visitor = function (string $user) use ($other): string {
    $id = bin2hex(random_bytes(20));
    $other->write($id, serialize(['user' => $user]));

    return $id;
};

foreach (['exclusive', 'merge', 'none'] as $lock) {
    $id = $new_visitor('ann');
    $session = $session_of($id, $lock);
    $session->regenerate(true);
    $session->put('user', 'ann, logged in');
    same("$lock: a live session gets a new id", [true, ''], with_warnings($session->save(...)));
    same("$lock: with its data", 'ann, logged in', $session_of($session->id())->get('user'));
    same("$lock: the old one is over", false, $other->validateId($id));

    $before = $refused();
    $id = $new_visitor('bob');
    $session = $session_of($id, $lock);
    $other->destroy($id);
    same("$lock: destroy() says nothing of a log-out elsewhere", [null, ''], with_warnings(fn () => $session->regenerate(true)));
    same("$lock: the session gets no new id", [false, ''], with_warnings($session->save(...)));
    same("$lock: there is none", [false, ''], [$other->validateId($session->id()), $other->read($session->id())]);
    same("$lock: it is counted", $before + 1, $refused());
    same("$lock: nor when it is stored once more", [false, ''], with_warnings($session->save(...)));

    $id = $new_visitor('cy');
    [$one, $two] = [$session_of($id, $lock), $session_of($id, $lock)];
    $one->regenerate(true);
    $two->regenerate(true);
    same("$lock: of two new ids one is given", [true, false], [$one->save(), $two->save()]);
    same("$lock: and only that", [true, false], [$other->validateId($one->id()), $other->validateId($two->id())]);
}

$handler = new Cloakroom\SessionHandler();
$id = $new_visitor('dan');
$handler->read($id);
$other->destroy($id);
same('destroy() is true as ever', [true, ''], with_warnings(fn () => $handler->destroy($id)));
same('a touch begins no session either', [false, ''], with_warnings(fn () => $handler->updateTimestamp('new', 'dan')));
same('there is none', false, $other->validateId('new'));
$handler->destroy($id);
same('a destruction of what it never read, or destroyed itself, refuses nothing', true, $handler->write('other', 'dan'));

$id = $new_visitor('eve');
$handler->read($id);
$other->destroy($id);
$handler->destroy($id);
$handler->open('', '');
$handler->close();
same('open() begins anew', true, $handler->write('newer', 'eve'));
done();
--EXPECT--
35 claims hold
