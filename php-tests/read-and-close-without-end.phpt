--TEST--
Reading does not keep a session from being written: readers and a writer go on side by side
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

// All parts of the data say the same number: a torn read would show two.
$data = fn (int $n) => ['n' => $n, 'text' => str_repeat(sprintf('%06d ', $n), 3000), 'again' => $n];
put('busy', $data(0));
$reader = <<<'PHP'
    $torn = $reads = 0;
    do {
        $found = stored('busy');
        $reads++;
        $torn += $found['text'] !== str_repeat(sprintf('%06d ', $found['n']), 3000) || $found['again'] !== $found['n'];
    } while ($found['n'] < 2000);
    say([$torn, $reads > 0]);
PHP;
$readers = [Process::run($reader), Process::run($reader)];
for ($n = 1; $n <= 2000; $n++) {
    put('busy', $data($n));
}
foreach ($readers as $process) {
    same('every read is whole', [0, true], $process->hear());
}
same('and the last one is the last write', 2000, stored('busy')['n']);
done();
--EXPECT--
3 claims hold
