--TEST--
Subclasses load as those of PHP's own SessionHandler do
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());

// Each class is declared twice, as a child of PHP's class and of ours; what PHP says of it must be the same.
$declare = function (string $name, string $body): array {
    $said = [];
    set_error_handler(function (int $level, string $message) use (&$said): bool {
        $said[] = $message;

        return true;
    });
    foreach (['Php' => '\SessionHandler', 'Cloakroom' => '\Cloakroom\SessionHandler'] as $prefix => $parent) {
        eval("class $prefix$name extends $parent { $body }");
    }
    restore_error_handler();
    $half = intdiv(count($said), 2);
    $ours = str_replace(['CloakroomChild', 'Cloakroom\SessionHandler::'], ['PhpChild', 'SessionHandler::'], array_slice($said, $half));
    $ours = str_replace("Cloakroom$name", "Php$name", $ours);

    return [array_slice($said, 0, $half), $ours];
};
$methods = [
    'open' => ['string $path, string $name', 'bool'],
    'close' => ['', 'bool'],
    'read' => ['string $id', 'string|false'],
    'write' => ['string $id, string $data', 'bool'],
    'destroy' => ['string $id', 'bool'],
    'gc' => ['int $max_lifetime', 'int|false'],
    'create_sid' => ['', 'string'],
];
$class = function (string $before, bool $parameter_types, bool $return_types) use ($methods): string {
    $body = '';
    foreach ($methods as $name => [$parameters, $return]) {
        $parameters = $parameter_types ? $parameters : preg_replace('/(string|int) /', '', $parameters);
        preg_match_all('/\$\w+/', $parameters, $arguments);
        $arguments = implode(', ', $arguments[0]);
        $body .= "$before public function $name($parameters)" . ($return_types ? ": $return" : '') . " { return parent::$name($arguments); }\n";
    }

    return $body;
};

[$php, $ours] = $declare('Typed', $class('', true, true));
same("PHP's own signatures load silently", [[], []], [$php, $ours]);
[$php, $ours] = $declare('Marked', $class("#[\\ReturnTypeWillChange]\n", true, false));
same('so do those without return types that say so', [[], []], [$php, $ours]);
[$php, $ours] = $declare('Untyped', $class("#[\\ReturnTypeWillChange]\n", false, false));
same('and those without any types', [[], []], [$php, $ours]);
[$php, $ours] = $declare('Bare', $class('', true, false));
same('without a word about them, PHP tells the same of both', $php, $ours);
same('that is one deprecation for each method', count($methods), count($php));
[$php, $ours] = $declare('Narrow', 'public function read(string $id): string { return "x"; } public function gc(int $max_lifetime): int { return 0; }');
same('narrower types load silently', [[], []], [$php, $ours]);
[$php, $ours] = $declare('Own', 'private $x; public function __construct($anything, ...$more) { $this->x = $anything; } public function close(): bool { return true; }');
same('a constructor may be anything, and need not call its parent', [[], []], [$php, $ours]);

foreach (['CloakroomTyped', 'CloakroomMarked', 'CloakroomUntyped', 'CloakroomBare'] as $name) {
    $handler = new $name();
    same("$name works on single sessions", [true, 'x', 0, true], [$handler->write('id', 'x'), $handler->read('id'), $handler->gc(1), $handler->destroy('id')]);
    session_set_save_handler($handler);
    put($name, ['x' => $name]);
    same("$name works as PHP's handler", ['x' => $name], stored($name));
}
$handler = new CloakroomOwn('anything', 1, 2);
same('so does one that never called the constructor', [true, 'x'], [$handler->write('id', 'x'), $handler->read('id')]);
session_set_save_handler($handler);
put('own', ['x' => 1]);
same('also as PHP\'s handler', ['x' => 1], stored('own'));
done();
--EXPECT--
17 claims hold
