--TEST--
No trace holds a session id, a payload or an address that was given to an object
--INI--
zend.exception_ignore_args=0
zend.exception_string_param_max_len=1000
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());

/** Every argument in the trace of a call that an error handler ends, and in its text. */
$traced = function (callable $call): array {
    set_error_handler(fn (int $level, string $message) => throw new ErrorException($message));
    try {
        $call();
    } catch (ErrorException|ValueError $error) {
        return [print_r(array_column($error->getTrace(), 'args'), true) . $error->getTraceAsString(), $error->getMessage()];
    } finally {
        restore_error_handler();
    }

    return ['no error', ''];
};
$directory = own_directory();
chmod($directory, 0777);
$unusable = fn (): Cloakroom\SessionHandler => new Cloakroom\SessionHandler($directory);
$calls = [
    'read' => fn () => $unusable()->read('secretid'),
    'write' => fn () => $unusable()->write('secretid', 'secretdata'),
    'destroy' => fn () => $unusable()->destroy('secretid'),
    'updateTimestamp' => fn () => $unusable()->updateTimestamp('secretid', 'secretdata'),
    'validateId' => fn () => $unusable()->validateId('secretid'),
    'open' => fn () => (new Cloakroom\SessionHandler())->open('redis://:secretpassword@', 'secretname'),
    '__construct' => fn () => new Cloakroom\SessionHandler("redis://:secretpassword@host\0"),
];
foreach ($calls as $name => $call) {
    [$trace, $message] = $traced($call);
    matches("$name: the trace has the call", "/SessionHandler->$name\\(Object\\(SensitiveParameterValue\\)/", $trace);
    check("$name: nothing that is secret", !preg_match('/secret(id|data|password)/', "$trace$message"), "$trace$message");
}
done();
--EXPECT--
14 claims hold
