--TEST--
stubs/cloakroom.stub.php describes the class, method by method
--FILE--
<?php
require __DIR__ . '/stub.inc';

$extension = new ReflectionExtension('cloakroom');
$described = preg_grep('/^Stub\\\\/', get_declared_classes());
$described = array_map(fn (string $name) => 'Cloakroom' . substr($name, 4), array_values($described));
same('the same classes', ['Cloakroom\SessionHandler'], $extension->getClassNames());
same('the stub has them as well', $extension->getClassNames(), $described);

[$present, $described] = [new ReflectionClass('Cloakroom\SessionHandler'), new ReflectionClass('Stub\SessionHandler')];
same('the same interfaces', $described->getInterfaceNames(), $present->getInterfaceNames());
same('neither has a parent', [false, false], [$present->getParentClass(), $described->getParentClass()]);
same('the same modifiers', $described->getModifiers(), $present->getModifiers());
same('the same constants', $described->getReflectionConstants(), $present->getReflectionConstants());
same('the same properties', $described->getProperties(), $present->getProperties());
$attributes = fn (ReflectionMethod $method) => array_map(fn (ReflectionParameter $parameter) => array_map(fn (ReflectionAttribute $attribute) => $attribute->getName(), $parameter->getAttributes()), $method->getParameters());
$names = fn (ReflectionClass $class) => array_map(fn (ReflectionMethod $method) => $method->name, $class->getMethods());
same('the same methods', $names($described), $names($present));
foreach ($present->getMethods() as $method) {
    $stub = $described->getMethod($method->name);
    same("$method->name() has the signature of the stub", signature($stub), signature($method));
    same("$method->name() hides from traces what the stub says", $attributes($stub), $attributes($method));
    same("$method->name() has its modifiers", $stub->getModifiers(), $method->getModifiers());
    same("$method->name() returns what subclasses may leave out", $method->name !== '__construct', $method->hasTentativeReturnType());
    check("$method->name() is documented", $stub->getDocComment() !== false);
}

// Everything that can be called on PHP's own class can be called on this one, in the same way.
foreach ((new ReflectionClass('SessionHandler'))->getMethods() as $method) {
    same("$method->name() is as in PHP's SessionHandler", signature($method), signature($present->getMethod($method->name)));
}
done();
--EXPECT--
66 claims hold
