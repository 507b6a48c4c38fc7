--TEST--
Increments of one session by several processes at once all count
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('counter', ['n' => 0]);
$increment = <<<'PHP'
    $failed = 0;
    for ($i = 0; $i < 250; $i++) {
        start('counter') === [true, ''] || $failed++;
        $n = $_SESSION['n'];
        // Gives the others time to come in between, if they could.
        usleep(100);
        $_SESSION['n'] = $n + 1;
        session_write_close();
    }
    say($failed);
PHP;
$processes = array_map(fn () => Process::run($increment), range(1, 4));
same('no start failed', [0, 0, 0, 0], array_map(fn (Process $process) => $process->hear(), $processes));
same('1,000 increments count 1,000', 1000, stored('counter')['n']);
done();
--EXPECT--
2 claims hold
