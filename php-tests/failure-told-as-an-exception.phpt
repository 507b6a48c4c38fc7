--TEST--
Where the warning of a panic or a failure becomes an exception, a session with objects stays whole, whatever the script does then
--SKIPIF--
<?php function_exists('Cloakroom\fault') || die('skip this build cannot panic on purpose: make mutants makes one that can');
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

// While an exception is on its way, PHP decodes objects without calling __unserialize(): they come back empty.
$class = <<<'PHP'
    final class Basket
    {
        private array $items = [];
        public function __construct(string $item) { $this->items[] = $item; }
        public function __serialize(): array { return $this->items; }
        public function __unserialize(array $items): void { $this->items = $items; }
        public function items(): array { return $this->items; }
    }
PHP;
foreach (['panic before', 'panic after', 'failure'] as $kind) {
    $trouble = $thrown = [];
    for ($after = 0, $struck = true; $struck && $after < 30; $after++) {
        $process = Process::run(<<<PHP
            $class
            put('visitor', ['basket' => new Basket('umbrella')]);
            ini_set('session.gc_probability', '1');
            ini_set('session.gc_divisor', '1');
            ini_set('session.use_strict_mode', '1');
            set_error_handler(fn (int \$level, string \$message) => throw new ErrorException(\$message));
            session_id('visitor');
            \$thrown = false;
            Cloakroom\\fault('$kind', $after);
            try {
                session_start();
                \$_SESSION['more'] = 1;
                session_write_close();
            } catch (ErrorException) {
                \$thrown = true;
            }
            say([!Cloakroom\\fault('none', 0), \$thrown]);
            // The end of the script stores what is open.
        PHP);
        [$struck, $was_thrown] = $process->hear();
        $thrown[] = $was_thrown;
        $process->wait();
        $reader = Process::run(<<<PHP
            $class
            ini_set('cloakroom.lock_wait', '0');
            [\$started, \$warnings] = start('visitor');
            say(\$started ? ((\$_SESSION['basket'] ?? null)?->items() ?? 'no object') : \$warnings);
        PHP);
        $found = $reader->hear();
        $reader->wait();
        $found === ['umbrella'] || $trouble[] = "step $after leaves " . shown($found);
    }
    same("$kind: what follows", [], $trouble);
    // Open, validate, two steps of the read, collect, write, close.
    check("$kind: all steps were tried", count(array_filter($thrown)) >= 7 && end($thrown) === false, fn () => shown($thrown));
}
done();
--EXPECT--
6 claims hold
