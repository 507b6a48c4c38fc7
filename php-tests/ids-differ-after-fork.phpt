--TEST--
Forked siblings make different ids
--SKIPIF--
<?php function_exists('pcntl_fork') || die('skip this PHP cannot fork (no pcntl)');
--FILE--
<?php
require __DIR__ . '/session.inc';
$directory = own_directory();
use_cloakroom($directory);

start('');
session_abort();
$before = session_create_id();
$children = [];
foreach (['first', 'second'] as $name) {
    $pid = pcntl_fork();
    if ($pid === 0) {
        file_put_contents("$directory/$name", implode("\n", array_map(fn () => session_create_id(), range(1, 100))));
        // The parent's output must not be written twice.
        ob_end_clean();
        exit(0);
    }
    $children[] = $pid;
}
foreach ($children as $pid) {
    pcntl_waitpid($pid, $status);
}
$ids = array_merge(file("$directory/first"), file("$directory/second"), [$before, session_create_id()]);
same('all ids were made', 202, count($ids));
same('all are different', 202, count(array_unique(array_map(trim(...), $ids))));
done();
--EXPECT--
2 claims hold
