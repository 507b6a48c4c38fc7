--TEST--
Every new session has an id of its own, in sibling processes too
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$make = <<<'PHP'
    $ids = [];
    for ($i = 0; $i < 200; $i++) {
        start('');
        $ids[] = session_id();
        session_abort();
    }
    say($ids);
PHP;
$lists = array_map(fn (Process $process) => $process->hear(), [Process::run($make), Process::run($make), Process::run($make)]);
$all = array_merge(...$lists);
same('600 sessions were started', 600, count($all));
same('under 600 ids', 600, count(array_unique($all)));

// Random bytes: no place in an id has always the same character.
$constant = array_filter(range(0, 31), fn (int $place) => count(array_unique(array_map(fn (string $id) => $id[$place], $all))) < 16);
same('every character of them varies', [], $constant);
done();
--EXPECT--
3 claims hold
