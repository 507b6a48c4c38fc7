--TEST--
stubs/cloakroom.stub.php describes the functions of the extension, and status() key by key
--FILE--
<?php
require __DIR__ . '/stub.inc';
use_cloakroom(own_directory());

$declared = get_defined_functions()['user'];
$described = array_map(fn (string $name) => substr($name, 5), array_values(preg_grep('/^stub\\\\/', $declared)));
$extension = new ReflectionExtension('cloakroom');
$present = array_map(fn (string $name) => substr(strtolower($name), 10), array_keys($extension->getFunctions()));
same('the same functions', $present, $described);
foreach ($present as $name) {
    $signature = fn (string $namespace) => signature(new ReflectionFunction("$namespace\\$name"));
    same("$name() has the signature of the stub", $signature('Stub'), $signature('Cloakroom'));
}

preg_match('/@return array\{\}\|array\{(.*?)\}/s', (new ReflectionFunction('Stub\status'))->getDocComment(), $shape);
preg_match_all("/(\w+): (int|string|'[^,]*?)(?:,|\n)/", $shape[1], $fields);
$documented = array_combine($fields[1], $fields[2]);
put('one', ['x' => 1]);
$status = Cloakroom\status();
same('status() has the documented keys, in that order', array_keys($documented), array_keys($status));
$wrong = array_filter($documented, fn (string $type, string $key) => get_debug_type($status[$key]) !== ($type === 'int' ? 'int' : 'string'), ARRAY_FILTER_USE_BOTH);
same('with the documented types', [], $wrong);
same('the lock mode is one of those documented', "'exclusive'|'merge'|'none'", $documented['lock']);
session_save_path(own_directory());
same('without a store it is the documented empty array', [], @Cloakroom\status());
done();
--EXPECT--
7 claims hold
