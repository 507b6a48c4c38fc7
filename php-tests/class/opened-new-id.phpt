--TEST--
An opened object that is used as Laravel's store uses it gives no new id to a session that others have ended or replaced
--FILE--
<?php
require __DIR__ . '/session_object.inc';
require __DIR__ . '/framework_session.inc';
use_objects(own_directory());
$other = new Cloakroom\SessionHandler();
$refused = function (): int {
    ini_set('session.save_handler', 'files');

    return Cloakroom\status()['refused_writes'];
};
/** A session of somebody, as an opened object has it that read it when the request began. */
$begun = function (string $lock, ?callable $before = null) use ($other): array {
    $id = bin2hex(random_bytes(20));
    $other->write($id, serialize(['user' => 'ann']));
    $before !== null && $before($id);
    $handler = new Cloakroom\SessionHandler(lock: $lock);
    $handler->open('', '');

    return [$handler, (new FrameworkSession($handler, $id))->start(), $id];
};
/** Another request replaces the id; answers the new one. */
$replace = function (string $id): string {
    $process = Process::run('start(hear()); session_regenerate_id(true); $_SESSION["more"] = 1; $id = session_id(); session_write_close(); say($id);', ['session.serialize_handler' => 'php_serialize']);
    $process->tell($id);
    $new = $process->hear();
    $process->wait();

    return $new;
};

foreach (['exclusive', 'merge', 'none'] as $lock) {
    [$handler, $session, $id] = $begun($lock);
    $session->regenerate(true);
    $session->put('user', 'ann, logged in');
    same("$lock: a live session gets a new id", [true, ''], with_warnings($session->save(...)));
    $handler->close();
    same("$lock: with its data", 'ann, logged in', unserialize($other->read($session->id()))['user']);
    same("$lock: the old one is over", false, $other->validateId($id));

    foreach ([true, false] as $deletes) {
        $name = $lock . ($deletes ? ', deleting' : ', keeping');
        [$handler, $session, $id] = $begun($lock);
        $other->destroy($id);
        same("$name: nothing is said of a log-out elsewhere", [null, ''], with_warnings(fn () => $session->regenerate($deletes)));
        if (!$deletes) {
            // Without a destroy() the framework begins a session of its own, which nobody can tell from another one.
            same("$name: the old id stays over", false, $other->validateId($id));
            $handler->close();
            continue;
        }
        $before = $refused();
        same("$name: what it writes under a new id is dropped", [true, ''], with_warnings($session->save(...)));
        $handler->close();
        same("$name: there is none", [false, ''], [$other->validateId($session->id()), $other->read($session->id())]);
        same("$name: nor is the old one there again", false, $other->validateId($id));
        same("$name: it is counted", $before + 1, $refused());
        $handler->open('', '');
        same("$name: open() begins anew", [true, ''], with_warnings(fn () => $handler->write(bin2hex(random_bytes(20)), 'new')));
        $handler->close();
    }

    $end = fn (string $id) => $other->destroy($id);
    $sequences = [
        'had written it' => ['write', $end],
        'had extended it' => ['touch', $end],
        'writes it after that' => [$end, 'write'],
        'has replaced it since it was written' => ['write', $replace],
        'ends another one, too' => [$end, 'destroy', 'destroy another'],
        'ends it twice' => [$end, 'destroy'],
    ];
    foreach ($sequences as $what => $steps) {
        [$handler, , $id] = $begun($lock);
        foreach ($steps as $step) {
            match ($step) {
                'write' => $handler->write($id, serialize(['user' => 'ann', 'page' => 1])),
                'touch' => $handler->updateTimestamp($id, serialize(['user' => 'ann'])),
                'destroy' => $handler->destroy($id),
                'destroy another' => $handler->destroy(bin2hex(random_bytes(20))),
                default => $step($id),
            };
        }
        $handler->destroy($id);
        $new = bin2hex(random_bytes(20));
        same("$lock: an object that $what: a write under a new id is dropped", [true, ''], with_warnings(fn () => $handler->write($new, serialize(['user' => 'ann']))));
        same("$lock: an object that $what: there is none", [false, false], [$other->validateId($new), $other->validateId($id) && $step !== $replace]);
        same("$lock: an object that $what: once more", true, $handler->write($new, serialize(['user' => 'ann'])));
        same("$lock: an object that $what: neither", false, $other->validateId($new));
        same("$lock: an object that $what: another id is another visitor's", true, $handler->write($next = bin2hex(random_bytes(20)), 'x') && $other->validateId($next));
        $handler->close();
    }

    $new = '';
    [$handler, $session, $id] = $begun($lock, function (string $id) use ($replace, &$new): void {
        $new = $replace($id);
    });
    same("$lock: a replaced id shows what is the same under the new one", 'ann', $session->get('user'));
    $session->regenerate(true);
    same("$lock: it leads to no second new id", [true, ''], with_warnings($session->save(...)));
    $handler->close();
    same("$lock: there is none", false, $other->validateId($session->id()));
    same("$lock: the first one stays", ['user' => 'ann', 'more' => 1], unserialize($other->read($new)));
}
done();
--EXPECT--
135 claims hold
