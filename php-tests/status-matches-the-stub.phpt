--TEST--
stubs/cloakroom.stub.php describes the functions of the extension, and what they return key by key
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

/** Field by field, what the stub says that a function returns. */
function documented(string $function): array
{
    $comment = (new ReflectionFunction("Stub\\$function"))->getDocComment();
    preg_match('/@return array\{\}\|array\{\n(.*?)\n \* \}/s', $comment, $shape);
    preg_match_all("/^ \*     (\w+): (.+?),?$/m", $shape[1], $fields);

    return array_combine($fields[1], $fields[2]);
}

$documented = documented('status');
put('one', ['x' => 1]);
$status = Cloakroom\status();
same('status() has the documented keys, in that order', array_keys($documented), array_keys($status));
$wrong = array_filter($documented, fn (string $type, string $key) => get_debug_type($status[$key]) !== ($type === 'int' ? 'int' : 'string'), ARRAY_FILTER_USE_BOTH);
same('with the documented types', [], $wrong);
same('the lock mode is one of those documented', "'exclusive'|'merge'|'none'", $documented['lock']);
$described = documented('survey');
$survey = Cloakroom\survey();
same('survey() has the documented keys, in that order', array_keys($described), array_keys($survey));
$types = array_map(fn (mixed $value) => is_array($value) ? 'list<array{below: int|null, sessions: int}>' : get_debug_type($value), $survey);
same('with the documented types', $described, $types);
same('and its steps, too', ['below', 'sessions'], array_keys($survey['sizes'][0]));
session_save_path(own_directory());
same('without a store they are the documented empty arrays', [[], []], [@Cloakroom\status(), @Cloakroom\survey()]);
done();
--EXPECT--
13 claims hold
