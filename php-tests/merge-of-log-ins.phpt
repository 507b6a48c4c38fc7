--TEST--
cloakroom.user: of two log-ins at once one is stored as a whole, in every layout of sessions
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

/**
 * What a session holds after two requests that both began before the first of them ended, and how many conflicts the second
 * one has counted. `$begin` has the session in `$_SESSION`, `$end` stores it and says under which id.
 */
function overlap(string $user, array $before, string $first, string $second, array $by = NATIVE): array
{
    [$put, $begin, $end, $found] = $by;
    $id = session_create_id();
    $put($id, $before);
    $requests = array_map(
        fn (string $change) => Process::run(
            "\$id = '$id'; $begin; say(\$_SESSION); hear(); \$before = Cloakroom\status(); $change; $end; \$after = Cloakroom\status();"
                . "say([\$after['merge_conflicts'] - \$before['merge_conflicts'], \$after['merge_fallbacks']]);",
            ['cloakroom.lock' => 'merge', 'cloakroom.user' => $user, 'session.serialize_handler' => ini_get('session.serialize_handler')],
        ),
        [$first, $second],
    );
    foreach ($requests as $request) {
        same('a request begins', $before, $request->hear());
    }
    foreach ($requests as $request) {
        $request->tell();
        $id = $request->hear();
        same('and ends', [true, ''], $request->hear());
        [$conflicts, $fallbacks] = $request->hear();
        same('nothing fell back', 0, $fallbacks);
    }

    return [$found($id), $conflicts];
}

const NATIVE = [
    'put',
    'start($id)',
    'say(session_id()); say(with_warnings(session_write_close(...)))',
    'stored',
];
/** As Laravel does: an object that nobody opened, and one serialized array. */
const UNOPENED = [
    'write_by_object',
    '$handler = new Cloakroom\SessionHandler(); $_SESSION = unserialize($handler->read($id))',
    'say($id); say(with_warnings(fn () => $handler->write($id, serialize($_SESSION))))',
    'read_by_object',
];

function write_by_object(string $id, array $session): void
{
    (new Cloakroom\SessionHandler())->write($id, serialize($session));
}

function read_by_object(string $id): array
{
    return unserialize((new Cloakroom\SessionHandler())->read($id));
}

$login = 'login_web_' . sha1('Illuminate\Auth\SessionGuard');
$layouts = [
    'native' => [
        'auth.id, user_id',
        ['seen' => 1],
        fn (int $id, bool $admin) => "\$_SESSION['user_id'] = $id;" . ($admin ? '$_SESSION["admin"] = true;' : ''),
        fn (int $id, bool $admin) => ['seen' => 1, 'user_id' => $id] + ($admin ? ['admin' => true] : []),
        NATIVE,
    ],
    'a bag' => [
        '_sf2_attributes.user_id',
        ['_sf2_attributes' => ['seen' => 1]],
        fn (int $id, bool $admin) => "\$_SESSION['_sf2_attributes']['user_id'] = $id;"
            . ($admin ? '$_SESSION["_sf2_attributes"]["admin"] = true;' : ''),
        fn (int $id, bool $admin) => ['_sf2_attributes' => ['seen' => 1, 'user_id' => $id] + ($admin ? ['admin' => true] : [])],
        NATIVE,
    ],
    'a key with a hash' => [
        'login_web_*',
        ['_token' => 't'],
        fn (int $id, bool $admin) => "\$_SESSION['$login'] = $id;" . ($admin ? '$_SESSION["admin"] = true;' : ''),
        fn (int $id, bool $admin) => ['_token' => 't', $login => $id] + ($admin ? ['admin' => true] : []),
        UNOPENED,
    ],
];
foreach ($layouts as $name => [$user, $before, $log_in, $logged_in, $by]) {
    [$one, $admin] = [$log_in(2, false), $log_in(1, true)];
    same("$name: the second log-in, whole", [$logged_in(2, false), 1], overlap($user, $before, $admin, $one, $by));
    same("$name: and the other way round", [$logged_in(1, true), 1], overlap($user, $before, $one, $admin, $by));
    $both = $logged_in(1, true) + ['x' => 1];
    same("$name: a log-in beside something else", [$both, 0], overlap($user, $before, $admin, '$_SESSION["x"] = 1', $by));
    // What this is for.
    same("$name: not known to be a user", [$logged_in(2, true), 1], overlap('', $before, $admin, $one, $by));
}
foreach (['php_serialize', 'php_binary'] as $format) {
    ini_set('session.serialize_handler', $format);
    same("$format: one log-in, whole", [['user_id' => 2], 1], overlap(
        'user_id', [], '$_SESSION += ["user_id" => 1, "admin" => true]', '$_SESSION["user_id"] = 2',
    ));
}
ini_set('session.serialize_handler', 'php');

same('a log-out beside a log-in', [['seen' => 1], 1], overlap(
    'user_id',
    ['user_id' => 5, 'seen' => 1],
    '$_SESSION["user_id"] = 1; $_SESSION["admin"] = true',
    'unset($_SESSION["user_id"])',
));
same('a log-in beside a log-out', [['user_id' => 1, 'seen' => 1, 'admin' => true], 1], overlap(
    'user_id',
    ['user_id' => 5, 'seen' => 1],
    '$_SESSION["user_id"] = null; $_SESSION["theme"] = "plain"',
    '$_SESSION["user_id"] = 1; $_SESSION["admin"] = true',
));
[$found, $conflicts] = overlap(
    'user_id',
    ['user_id' => null],
    '$_SESSION["user_id"] = 1; $_SESSION["first"] = 1',
    '$_SESSION["user_id"] = "1"; $_SESSION["second"] = 1',
);
same('the same user twice: both are kept', ['user_id' => '1', 'first' => 1, 'second' => 1], $found);
[$found, $conflicts] = overlap(
    'user_id',
    ['user_id' => 5],
    '$_SESSION["user_id"] = 1; $_SESSION["admin"] = true',
    'session_regenerate_id(true); $_SESSION["user_id"] = 2',
);
same('a log-in with a new id beside one without', [['user_id' => 2], 1], [$found, $conflicts]);
done();
--EXPECT--
126 claims hold
