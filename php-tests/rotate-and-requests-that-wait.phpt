--TEST--
Who wants the lock of an id that is being replaced waits until the new id is written; readers see what is stored; what others wrote is merged
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

// A waits in the queue of the old id, or comes when it names the new one already.
foreach (['before', 'after'] as $when) {
    foreach (['removes' => ['cart' => [1]], 'keeps' => ['user' => 1, 'cart' => [1]], 'destroys' => []] as $how => $shows) {
        $name = "comes $when, the other $how";
        $id = session_create_id();
        put($id, ['user' => 1, 'cart' => [1]]);
        start($id);
        $other = Process::run('$id = hear(); say("wants"); say(start($id)); say([session_id() === $id, $_SESSION]); $_SESSION["late"] = 1; session_write_close(); say(1);');
        if ($when === 'before') {
            $other->tell($id);
            $other->hear();
            $other->sleeps();
        }
        session_regenerate_id(true);
        if ($when === 'after') {
            $other->tell($id);
            $other->hear();
            $other->sleeps();
        }
        same("$name: a reader sees what is stored", ['user' => 1, 'cart' => [1]], (function () use ($id): array {
            $reader = Process::run('say(stored(hear()));');
            $reader->tell($id);

            return [$reader->hear(), $reader->wait()][0];
        })());
        if ($how === 'removes') {
            unset($_SESSION['user']);
        }
        $how === 'destroys' ? session_destroy() : session_write_close();
        same("$name: the waiting request starts", [true, ''], $other->hear());
        same("$name: keeps its id and sees what is the same", [true, $shows], $other->hear());
        $other->hear();
        $other->wait();
        same("$name: and wrote nothing", $shows, stored($id));
    }
}

// What another request stored since this one read the session is in the new one, too.
foreach (['merge', 'exclusive'] as $lock) {
    ini_set('cloakroom.lock', $lock);
    $id = session_create_id();
    put($id, ['user' => 1, 'cart' => ['hat' => 1], 'token' => 'x']);
    start($id);
    $other = Process::run('start(hear()); $_SESSION["cart"]["coat"] = 1; unset($_SESSION["token"]); session_write_close(); say(1);', ['cloakroom.lock' => 'merge']);
    $other->tell($id);
    $other->hear();
    $other->wait();
    $_SESSION['mine'] = 1;
    session_regenerate_id(true);
    $new = session_id();
    $late = Process::run('start(hear()); $_SESSION["late"] = 1; session_write_close(); say(1);', ['cloakroom.lock' => 'merge']);
    $late->tell($id);
    $late->hear();
    $late->wait();
    $_SESSION['cart']['scarf'] = 1;
    session_write_close();
    $stored = stored($new);
    ksort($stored);
    ksort($stored['cart']);
    same("$lock: what both changed is there", ['cart' => ['coat' => 1, 'hat' => 1, 'scarf' => 1], 'mine' => 1, 'user' => 1], $stored);
}
ini_set('cloakroom.lock', 'none');
$id = session_create_id();
put($id, ['a' => 1]);
start($id);
$other = Process::run('start(hear()); $_SESSION["b"] = 1; session_write_close(); say(1);', ['cloakroom.lock' => 'none']);
$other->tell($id);
$other->hear();
$other->wait();
session_regenerate_id(true);
$new = session_id();
session_write_close();
same('none: the last write wins', ['a' => 1], stored($new));
ini_restore('cloakroom.lock');

// The wait is bounded, and names who is waited for.
put('slow', ['a' => 1]);
start('slow');
session_regenerate_id(true);
$other = Process::run('ini_set("cloakroom.lock_wait", "0"); say(start(hear()));');
$other->tell('slow');
[$started, $warning] = $other->hear();
same('a request that does not wait fails', false, $started);
matches('and is told who holds the session', '/process ' . getmypid() . '|pid ' . getmypid() . '/', $warning);
$other->wait();
session_write_close();

// Without deleting the old session, both live on.
put('both', ['a' => 1]);
start('both');
session_regenerate_id(false);
$new = session_id();
$_SESSION['b'] = 1;
session_write_close();
same('keeping: the old session stays', ['a' => 1], stored('both'));
put('both', ['a' => 2]);
same('keeping: it can be written', ['a' => 2], stored('both'));
same('keeping: the new one has its own', ['a' => 1, 'b' => 1], stored($new));
done();
--EXPECT--
32 claims hold
