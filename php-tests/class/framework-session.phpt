--TEST--
An object under a session store like that of Laravel, over several requests
--FILE--
<?php
require __DIR__ . '/session_object.inc';
require __DIR__ . '/framework_session.inc';
use_objects(own_directory());

$handler = fn () => new Cloakroom\SessionHandler(session_save_path(), lifetime: 7200);
$request = fn (?string $id) => (new FrameworkSession($handler(), $id))->start();

$session = $request(null);
$id = $session->id();
$session->put('cart', ['apple' => 1]);
$session->flash('notice', 'welcome');
same('a new visitor gets a session', true, $session->save());
$token = $session->get('_token');

$session = $request($id);
same('the next request has its data', [$id, ['apple' => 1]], [$session->id(), $session->get('cart')]);
same('its token', $token, $session->get('_token'));
same('and what was flashed', 'welcome', $session->get('notice'));
same('it ends', true, $session->save());
$session = $request($id);
same('then it is gone', null, $session->get('notice'));
$session->save();

$other = Process::run('require ' . var_export(__DIR__ . '/framework_session.inc', true) . ';' . with_object(<<<'PHP'
    $session = (new FrameworkSession($handler, hear()))->start();
    say($session->get('cart'));
    $session->put('cart', $session->get('cart') + ['pear' => 2]);
    say($session->save());
PHP));
$other->tell($id);
same('a request in another process', [['apple' => 1], true], [$other->hear(), $other->hear()]);
$other->wait();

$session = $request($id);
same('is seen by the next one', ['apple' => 1, 'pear' => 2], $session->get('cart'));
$session->regenerate(true);
$session->put('user', 'ann');
same('who logs in gets another id', [true, true], [$session->save(), $session->id() !== $id]);
same('which has the data', ['ann', ['apple' => 1, 'pear' => 2]], [$request($session->id())->get('user'), $request($session->id())->get('cart')]);
same('the old one has none', null, $request($id)->get('cart'));

[$old, $id] = [$id, $session->id()];
$session = $request($id);
$session->migrate(false);
$session->save();
same('an id that is left behind keeps its session', ['ann', 'ann'], [$request($id)->get('user'), $request($session->id())->get('user')]);

$late = $request($id);
$session = $request($id);
$session->invalidate();
same('who logs out gets an empty session', [true, null], [$session->save(), $session->get('user')]);
$late->put('user', 'ann again');
same('a slower request', [true, ''], with_warnings($late->save(...)));
same('does not undo that', null, $request($id)->get('user'));

$one = $request($session->id());
$two = $request($session->id());
$one->put('one', 1);
$two->put('two', 2);
same('of two requests at once that change the session', [true, ''], with_warnings($one->save(...)));
[$saved, $warnings] = with_warnings($two->save(...));
same('the second is refused', false, $saved);
matches('with a warning', '/another request has changed the session/', $warnings);
same('the change of the first is kept', [1, null], [$request($session->id())->get('one'), $request($session->id())->get('two')]);
$reader = $request($session->id());
$writer = $request($session->id());
$writer->put('one', 11);
$writer->save();
same('one that changes nothing is never refused', [true, ''], with_warnings($reader->save(...)));
same('and undoes nothing', 11, $request($session->id())->get('one'));

ini_set('cloakroom.lock', 'merge');
$id = $session->id();
[$one, $two] = [$request($id), $request($id)];
$one->put('three', 3);
$two->put('four', 4);
same('merging requests are both stored', [[true, ''], [true, '']], [with_warnings($one->save(...)), with_warnings($two->save(...))]);
$merged = $request($id);
same('with what each has changed', [11, 3, 4], [$merged->get('one'), $merged->get('three'), $merged->get('four')]);
ini_set('cloakroom.lock', 'exclusive');

same('nothing has expired', 0, $session->collect());
$brief = new FrameworkSession(new Cloakroom\SessionHandler(lifetime: 1));
$brief->start()->save();
wait_until('the short lifetime was over', fn () => !$handler()->validateId($brief->id()));
wait_until('it was old enough to be collected', fn () => $session->collect() === 1);
same('what has expired is collected once', 0, $session->collect());
same('the other sessions are left', 11, $request($session->id())->get('one'));
done();
--EXPECT--
26 claims hold
