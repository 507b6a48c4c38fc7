--TEST--
An error handler that is called for an object's warning may use, renew or end that object
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());
ini_set('cloakroom.lock_wait', '0');

(new Cloakroom\SessionHandler())->write('held', 'x|i:1;');
$holder = Process::run('start("held"); say("holds"); hear();');
$holder->hear();

/** Calls a method that fails, and does something with the object from the error handler. */
$meanwhile = function (string $method, array $arguments, callable $do): mixed {
    $handler = new Cloakroom\SessionHandler();
    if ($method === 'read') {
        $handler->open(session_save_path(), '');
    }
    $GLOBALS['object'] = $handler;
    $calls = 0;
    set_error_handler(function () use ($do, &$calls): bool {
        if ($calls++ === 0) {
            $do($GLOBALS['object']);
        }

        return true;
    });
    try {
        return [$handler->$method(...$arguments), $calls > 0];
    } finally {
        restore_error_handler();
    }
};
foreach (['read' => ['held'], 'write' => ['held', 'x|i:2;'], 'updateTimestamp' => ['held', 'x|i:2;'], 'destroy' => ['no/id']] as $method => $arguments) {
    foreach ([
        'uses it' => function (Cloakroom\SessionHandler $object): void {
            $object->close();
            $object->write('inner', 'written') && $object->read('inner') === 'written' || exit("cannot use the object\n");
        },
        'opens and closes it' => function (Cloakroom\SessionHandler $object): void {
            $object->open(session_save_path(), '');
            $object->read('inner');
            $object->close();
        },
        'constructs it anew' => fn (Cloakroom\SessionHandler $object) => $object->__construct('/dev/null'),
        'ends others' => function (): void {
            $others = array_map(fn () => new Cloakroom\SessionHandler(), range(1, 50));
            unset($others, $GLOBALS['object']);
        },
        'makes it fail again' => fn (Cloakroom\SessionHandler $object) => @$object->destroy('no/id'),
    ] as $what => $do) {
        same("$method() fails when the error handler $what", [false, true], $meanwhile($method, $arguments, $do));
    }
    $thrown = null;
    try {
        $meanwhile($method, $arguments, fn () => throw new RuntimeException('thrown'));
    } catch (RuntimeException $thrown) {
    }
    same("an exception of the error handler comes out of $method()", 'thrown', $thrown?->getMessage());
}
same('objects work afterwards', [true, 'x|i:1;'], [(new Cloakroom\SessionHandler())->write('after', 'x'), (new Cloakroom\SessionHandler())->read('held')]);

$other = Process::run('
    set_error_handler(fn () => exit(7));
    session_set_save_handler(new Cloakroom\SessionHandler());
    ini_set("cloakroom.lock_wait", "0");
    session_id("kept");
    session_start();
    $_SESSION["x"] = "kept";
    (new Cloakroom\SessionHandler())->read("no/id");
');
same('an error handler may exit', 7, $other->wait());
session_set_save_handler(new Cloakroom\SessionHandler());
same('PHP then ends the session, and the lock is free', [[true, ''], ['x' => 'kept']], [start('kept'), $_SESSION]);
session_abort();
done();
--EXPECT--
27 claims hold
