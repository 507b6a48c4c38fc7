--TEST--
The methods take arguments as PHP's own functions do
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());

$handler = new Cloakroom\SessionHandler();
same('numbers become strings', [true, '2.5'], [$handler->write(12345, 2.5), $handler->read('12345')]);
same('digits become a number', 0, $handler->gc('1440'));
same('so do a float and a boolean', [0, 0], [$handler->gc(1440.0), $handler->gc(true)]);
same('an object with __toString() is a string', '2.5', $handler->read(new class {
    public function __toString(): string
    {
        return '12345';
    }
}));
same('names can be used', [true, 'named'], [$handler->write(data: 'named', id: 'n'), $handler->read(id: 'n')]);
same('a lifetime may be digits', true, (new Cloakroom\SessionHandler(lifetime: '100'))->write('digits', 'x'));

$error = function (string $code) use ($handler): string {
    try {
        eval("declare(strict_types=1); $code;");
    } catch (Throwable $thrown) {
        return $thrown::class . ': ' . $thrown->getMessage();
    }

    return 'none';
};
foreach ([
    '$handler->gc("1440")' => '/^TypeError: Cloakroom\\\\SessionHandler::gc\(\): Argument #1 \(\$max_lifetime\) must be of type int, string given/',
    '$handler->read(12345)' => '/^TypeError: .*Argument #1 \(\$id\) must be of type string, int given/',
    '$handler->write("x", null)' => '/^TypeError: .*Argument #2 \(\$data\) must be of type string, null given/',
    'new Cloakroom\SessionHandler(lifetime: "100")' => '/^TypeError: .*Argument #3 \(\$lifetime\) must be of type \?int, string given/',
    '$handler->read()' => '/^ArgumentCountError: .*expects exactly 1 argument, 0 given/',
    '$handler->read("x", "y")' => '/^ArgumentCountError: /',
    '$handler->write("x")' => '/^ArgumentCountError: /',
    '$handler->open("x")' => '/^ArgumentCountError: /',
    '$handler->close(1)' => '/^ArgumentCountError: /',
    '$handler->create_sid(1)' => '/^ArgumentCountError: /',
    '$handler->updateTimestamp("x", [])' => '/^TypeError: /',
    '$handler->gc([])' => '/^TypeError: /',
    '$handler->read(data: "x")' => '/^Error: Unknown named parameter \$data/',
] as $call => $pattern) {
    matches("$call", $pattern, $error($call));
}
$deprecated = '';
set_error_handler(function (int $level, string $message) use (&$deprecated): bool {
    $deprecated .= $message;

    return true;
});
same('null for a string is deprecated, as anywhere in PHP', [true, ''], [$handler->write('null', null), $handler->read('null')]);
restore_error_handler();
matches('and PHP says so', '/Passing null to parameter #2 \(\$data\) of type string is deprecated/', $deprecated);
done();
--EXPECT--
21 claims hold
