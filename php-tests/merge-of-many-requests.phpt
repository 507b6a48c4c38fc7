--TEST--
8 processes with 1,000 requests each add a key a request to one session: all are there, and nobody waited
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('many', ['first' => true]);
$add = <<<'PHP'
    $failed = [];
    for ($i = 0; $i < 1000; $i++) {
        $started = start('many');
        $_SESSION[ARGUMENT . "-$i"] = 1;
        $ended = with_warnings(session_write_close(...));
        if ($started !== [true, ''] || $ended !== [true, '']) {
            $failed[] = [$started, $ended];
        }
    }
    say($failed);
PHP;
$processes = array_map(fn (int $n) => Process::run("const ARGUMENT = 'p$n';" . $add, ['cloakroom.lock' => 'merge']), range(1, 8));
foreach ($processes as $n => $process) {
    same("process $n: no request failed", [], $process->hear());
}
$found = stored('many');
same('the number of keys', 8001, count($found));
for ($n = 1, $missing = 0; $n <= 8; $n++) {
    for ($i = 0; $i < 1000; $i++) {
        $missing += isset($found["p$n-$i"]) ? 0 : 1;
    }
}
same('none is missing', 0, $missing);
['waits' => $waits, 'merges' => $merges, 'merge_conflicts' => $conflicts, 'merge_fallbacks' => $fallbacks] = Cloakroom\status();
same('nobody waited', 0, $waits);
check('requests overlapped', $merges > 0);
same('none contradicted another', [0, 0], [$conflicts, $fallbacks]);
done();
--EXPECT--
13 claims hold
