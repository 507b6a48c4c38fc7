--TEST--
A forked child that outlives its parent writes nothing over what was stored since
--SKIPIF--
<?php function_exists('pcntl_fork') || die('skip this PHP cannot fork (no pcntl)');
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

foreach (['exclusive', 'none'] as $lock) {
    put('inherited', ['x' => 'old']);
    $parent = Process::run(<<<PHP
        ini_set('cloakroom.lock', '$lock');
        start('inherited');
        \$_SESSION['x'] = 'of the parent';
        \$parent = getmypid();
        if (pcntl_fork() !== 0) {
            exit(0);
        }
        \$_SESSION['x'] = 'of the child';
        hear();
        [\$written, \$warnings] = with_warnings(session_write_close(...));
        say(\$warnings);
    PHP);
    wait_until('the parent had stored its data', fn () => found_free('inherited') === ['x' => 'of the parent']);
    put('inherited', ['x' => 'newer']);
    $parent->tell('write');
    matches("$lock: the child is told that it cannot write", '/\bforked?\b/', $parent->hear());
    same("$lock: the session is free and has the newer data", ['x' => 'newer'], found_free('inherited'));
}
done();
--EXPECT--
4 claims hold
