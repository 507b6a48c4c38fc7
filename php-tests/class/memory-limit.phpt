--TEST--
memory_limit inside the reading, decoding or encoding of an object's session loses nothing
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());
ini_set('cloakroom.lock_wait', '10');

// Many small values: decoding takes several times the memory of the payload.
$numbers = range(1, 60_000);
$data = array_combine(array_map(fn (int $i) => "key$i", $numbers), array_map(fn (int $i) => ["value $i"], $numbers));
session_set_save_handler(new Cloakroom\SessionHandler());
$subclass = 'new class extends Cloakroom\SessionHandler {
    public function read(string $id): string|false { return parent::read($id); }
    public function destroy(string $id): bool { return parent::destroy($id); }
    public function write(string $id, string $data): bool { return parent::write($id, $data); }
}';
foreach (['the class' => 'new Cloakroom\SessionHandler()', 'a subclass' => $subclass] as $which => $object) {
    put('large', $data);
    $ends = [];
    foreach (['3M', '6M', '10M', '16M'] as $limit) {
        $small = Process::run("session_set_save_handler($object); start('large'); say('started');", ['memory_limit' => $limit]);
        $small->wait();
        $ends[$limit] = str_contains($small->complaints(), 'Allowed memory size');
    }
    check("$which: the smallest limits end the script", $ends['3M'] && $ends['6M'], fn () => shown($ends));
    same("$which: the next request gets the lock", [true, ''], start('large'));
    check("$which: and finds the session whole", $_SESSION === $data, fn () => shown($_SESSION));
    session_abort();
    $small = Process::run("session_set_save_handler($object);" . <<<'PHP'
        put('grows', ['x' => 'stored']);
        start('grows');
        $_SESSION['x'] = str_repeat('x', 7_000_000);
        say('encodes');
    PHP, ['memory_limit' => '16M']);
    $small->hear();
    $small->wait();
    $found = stored('grows')['x'];
    check("$which: what cannot be encoded is stored whole or stays", $found === 'stored' || $found === str_repeat('x', 7_000_000));
}
$handler = new Cloakroom\SessionHandler();
$payload = $handler->read('large');
$small = Process::run(with_object('register_shutdown_function(fn () => $handler->write("large", "less")); $handler->read("large"); say("read");'), ['memory_limit' => '3M']);
$small->wait();
matches('a single read can reach it as well', '/Allowed memory size/', $small->complaints());
matches('nothing is written after it', '/nothing was written, because reading the session did not complete/', $small->complaints());
check('so the session stays', $handler->read('large') === $payload);
done();
--EXPECT--
11 claims hold
