--TEST--
A notice about the store that an error handler turns into an exception leaves sessions with objects whole
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

// While an exception is on its way, PHP decodes objects without calling __unserialize(): they would come back empty, and
// be stored empty.
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
$reactions = [
    'throws' => ['throw new ErrorException($message);', 'exception'],
    'throws, and the script catches it and stores' => ['throw new ErrorException($message);', 'exception'],
    'aborts the session' => ['session_abort(); return true;', 'not started'],
    'aborts the session and starts another' => ['session_abort(); session_id("other"); session_start(); return true;', 'started'],
    'ends the script' => ['say("ended"); exit(0);', 'ended'],
    'does nothing' => ['return true;', 'started'],
];
foreach ($reactions as $reaction => [$code, $outcome]) {
    $process = Process::run(<<<PHP
        $class
        put('visitor', ['basket' => new Basket('umbrella'), 'x' => 1]);
        // Within a second or so a start is told that the store was deleted and its sessions were moved to a new file.
        unlink(store_file());
        \$calls = 0;
        set_error_handler(function (int \$level, string \$message) use (&\$calls): bool {
            if (\$calls++ === 0) {
                $code
            }
            return true;
        });
        \$outcome = null;
        wait_until('the notice came', function () use (&\$calls, &\$outcome): bool {
            session_id('visitor');
            try {
                \$outcome = session_start() ? 'started' : 'not started';
            } catch (ErrorException) {
                \$outcome = 'exception';
                if (str_contains('$reaction', 'stores')) {
                    session_write_close();
                }
            }
            return \$calls > 0 || !session_abort();
        });
        say(\$outcome);
        // The end of the script stores what is open.
    PHP);
    same("an error handler that $reaction: what comes of the start", $outcome, $process->hear());
    same("an error handler that $reaction: the script ends normally", 0, $process->wait());
    same("an error handler that $reaction: it complains of nothing", '', $process->complaints());
    $reader = Process::run(<<<PHP
        $class
        ini_set('cloakroom.lock_wait', '0');
        say(start('visitor'));
        say([\$_SESSION['basket']->items(), \$_SESSION['x']]);
    PHP);
    same("an error handler that $reaction: the session is free", [true, ''], $reader->hear());
    same("an error handler that $reaction: and whole", [['umbrella'], 1], $reader->hear());
    $reader->wait();
}
done();
--EXPECT--
30 claims hold
