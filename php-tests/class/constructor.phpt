--TEST--
What the constructor takes, and what counts where nothing was given
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());

$error = function (callable $call): string {
    try {
        $call();
    } catch (Throwable $thrown) {
        return $thrown::class . ': ' . $thrown->getMessage();
    }

    return 'none';
};
$refuses = fn (string $claim, string $pattern, mixed ...$arguments) => matches(
    "$claim is refused",
    $pattern,
    $error(fn () => new Cloakroom\SessionHandler(...$arguments)),
);
$refuses('an unknown lock mode', '/^ValueError: .*Argument #2 \(\$lock\) must be "exclusive"/', null, 'sometimes');
$refuses('an empty lock mode', '/^ValueError: .*Argument #2 \(\$lock\)/', lock: '');
$refuses('a lifetime of 0', '/^ValueError: .*Argument #3 \(\$lifetime\) must be greater than 0/', lifetime: 0);
$refuses('a negative lifetime', '/^ValueError: .*Argument #3/', lifetime: -1);
$refuses('a path with a NUL byte', '/^ValueError: .*Argument #1 \(\$savePath\) must not contain any null bytes/', "a\0b");
$refuses('a path that is too long', '/^ValueError: .*Argument #1 \(\$savePath\) is longer/', '/' . str_repeat('a', 5000));
$refuses('an array', '/^TypeError: .*must be of type \?string, array given/', []);
$refuses('a fourth argument', '/^ArgumentCountError: /', null, null, null, null);

// Nothing given: PHP's settings, at the first use.
$first = session_save_path();
$default = new Cloakroom\SessionHandler(null, null, null);
session_save_path($second = own_directory());
$default->write('id', 'in the second');
session_save_path($first);
$default->write('id', 'in the second still');
same('the path is that in force when an object is used first', ['', 'in the second still'], [
    (new Cloakroom\SessionHandler())->read('id'),
    (new Cloakroom\SessionHandler($second))->read('id'),
]);
same('an object with a path of its own stays there', true, (new Cloakroom\SessionHandler($first))->write('id', 'in the first'));
same('several objects work side by side', ['in the first', 'in the second still'], [
    (new Cloakroom\SessionHandler($first))->read('id'),
    $default->read('id'),
]);

// open() gets session.save_path from PHP, so an own path goes before it.
$own = new Cloakroom\SessionHandler($second);
same('the own path goes before that of open()', [true, 'in the second still'], [$own->open($first, 'PHPSESSID'), $own->read('id')]);
$own->close();
$default = new Cloakroom\SessionHandler();
same('without one the path of open() counts', [true, 'in the second still'], [$default->open($second, 'PHPSESSID'), $default->read('id')]);
$default->close();
same('once it is closed it is PHP\'s setting again', 'in the first', $default->read('id'));
matches('a NUL byte is refused there as well', '/^ValueError: .*Argument #1 \(\$path\)/', $error(fn () => $default->open("a\0b", '')));

chdir($second);
same('a path may be relative', 'in the second still', (new Cloakroom\SessionHandler('.'))->read('id'));
[$read, $warnings] = with_warnings(fn () => (new Cloakroom\SessionHandler("$first/none"))->read('id'));
same('a path that is not there is found out at the first use', false, $read);
matches('with a warning', '/SessionHandler::read\(\): Cloakroom: /', $warnings);
[$opened, $warnings] = with_warnings(fn () => (new Cloakroom\SessionHandler("$first/none"))->open($first, ''));
same('or at open()', [false, true], [$opened, $warnings !== '']);
same('an address of a store that is not there is refused without showing its password', [true, false], (function (): array {
    [$read, $warnings] = with_warnings(fn () => (new Cloakroom\SessionHandler('redis://:hunter2@none'))->read('id'));

    return [$read === false && $warnings !== '', str_contains($warnings, 'hunter2')];
})());

// The lock mode and the lifetime: those of the object, or the settings of the moment.
ini_set('cloakroom.lock', 'none');
[$setting, $exclusive] = [new Cloakroom\SessionHandler(), new Cloakroom\SessionHandler(lock: 'exclusive')];
$written = function (Cloakroom\SessionHandler $handler): bool {
    $handler->read('modes');
    (new Cloakroom\SessionHandler())->write('modes', random_bytes(8));

    return @$handler->write('modes', random_bytes(8));
};
same('the setting is none, the object has its own', [true, false], [$written($setting), $written($exclusive)]);
ini_set('cloakroom.lock', 'exclusive');
same('a changed setting counts at once', false, $written($setting));
ini_set('session.gc_maxlifetime', '1');
(new Cloakroom\SessionHandler(lifetime: 1000))->write('long', 'x');
(new Cloakroom\SessionHandler())->write('short', 'x');
wait_until('the setting was over', fn () => !(new Cloakroom\SessionHandler())->validateId('short'));
same('a lifetime of its own is not', true, (new Cloakroom\SessionHandler())->validateId('long'));

// The constructor again makes another object of it.
$again = new Cloakroom\SessionHandler($first);
$again->read('id');
$again->__construct($second);
same('a second call begins anew', 'in the second still', $again->read('id'));
same('a wrong one changes nothing', ['ValueError', 'in the second still'], [
    strstr($error(fn () => $again->__construct(lock: 'x')), ':', true),
    $again->read('id'),
]);

matches('it cannot be cloned', '/uncloneable/', $error(fn () => clone $again));
matches('or serialized', '/not allowed/', $error(fn () => serialize($again)));
matches('or made from bytes', '/not allowed/', $error(fn () => unserialize('O:24:"Cloakroom\SessionHandler":0:{}')));
same('it can be shown, and shows nothing', "Cloakroom\SessionHandler Object\n(\n)\n", print_r($again, true));
same('PHP may make one without its constructor', 'in the first', (new ReflectionClass($again))->newInstanceWithoutConstructor()->read('id'));
chdir('/');
done();
--EXPECT--
30 claims hold
