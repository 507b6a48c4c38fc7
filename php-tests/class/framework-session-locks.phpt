--TEST--
Twenty requests of one visitor at the same time under a session store like that of Laravel: none fails, and no write is lost
--FILE--
<?php
require __DIR__ . '/session_object.inc';
require __DIR__ . '/framework_session.inc';
use_objects(own_directory());

const REQUESTS = 20;

/** Runs twenty requests that all begin before one of them may end; whether each could be stored, with its warnings. */
function requests_at_once(string $id, string $handler, string $request): array
{
    $code = 'require ' . var_export(__DIR__ . '/framework_session.inc', true) . ";const ID = '$id';" . 'ini_set("session.save_handler", "files");'
        . 'say("ready"); hear();' . "\$handler = $handler; \$session = new FrameworkSession(\$handler, ID);" . $request;
    $requests = array_map(fn (int $n) => Process::run("const N = $n; $code"), range(1, REQUESTS));
    array_map(fn (Process $request) => same('a request is ready', 'ready', $request->hear()), $requests);
    array_map(fn (Process $request) => $request->tell(), $requests);
    $saved = array_map(fn (Process $request) => $request->hear(), $requests);
    array_map(fn (Process $request) => $request->wait(), $requests);

    return $saved;
}

/** Makes a session in which nothing has happened, and answers its id. */
function visitor(): string
{
    $session = (new FrameworkSession(new Cloakroom\SessionHandler()))->start();
    $session->put('hits', 0);
    $session->save();

    return $session->id();
}

$at = fn (string $id) => (new FrameworkSession(new Cloakroom\SessionHandler(), $id))->start();
$all_saved = array_fill(0, REQUESTS, [true, '']);

// With open() the lock is real: between a request's read and its write nobody else reads.
$id = visitor();
$opened = '(function () { $handler = new Cloakroom\SessionHandler(lock: "exclusive"); $handler->open("", ""); return $handler; })()';
same('opened, exclusive: all are stored', $all_saved, requests_at_once($id, $opened, <<<'PHP'
    $session->start();
    $session->put('hits', $session->get('hits') + 1);
    $session->put('request ' . N, true);
    say(with_warnings($session->save(...)));
PHP));
same('opened, exclusive: all are counted', REQUESTS, $at($id)->get('hits'));
same('opened, exclusive: every write is kept', REQUESTS, count(array_filter(range(1, REQUESTS), fn ($n) => $at($id)->get("request $n"))));

// Pages that only show something are stored as well, at the end of each.
$id = visitor();
same('opened, exclusive: plain reads are stored', $all_saved, requests_at_once($id, $opened, <<<'PHP'
    $session->start();
    $session->put('_previous', ['url' => 'page ' . N]);
    say(with_warnings($session->save(...)));
PHP));

// One request that logs in while the others are on their way: who comes later finds the old id empty, and nothing waits for ever.
$id = visitor();
$saved = requests_at_once($id, $opened, <<<'PHP'
    $session->start();
    if (N === 1) {
        $session->migrate(true);
        $session->put('user', 'ann');
    }
    $session->put('request ' . N, true);
    say([...with_warnings($session->save(...)), $session->id()]);
PHP);
same('a log-in among them: all are stored', $all_saved, array_map(fn (array $one) => [$one[0], $one[1]], $saved));
same('a log-in among them: the new id is logged in', 'ann', $at($saved[0][2])->get('user'));
same('a log-in among them: the old one is not', null, $at($id)->get('user'));

// Without open() nobody waits, and merge keeps what each has changed.
$id = visitor();
same('merge, not opened: all are stored', $all_saved, requests_at_once($id, 'new Cloakroom\SessionHandler(lock: "merge")', <<<'PHP'
    $session->start();
    $session->put('_previous', ['url' => 'page ' . N]);
    $session->put('request ' . N, true);
    say(with_warnings($session->save(...)));
PHP));
same('merge, not opened: every write is kept', REQUESTS, count(array_filter(range(1, REQUESTS), fn ($n) => $at($id)->get("request $n"))));
done();
--EXPECT--
89 claims hold
