--TEST--
A forked child that ends neither stores nor unlocks its parent's session
--SKIPIF--
<?php function_exists('pcntl_fork') || die('skip this PHP cannot fork (no pcntl)');
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('parent', ['x' => 'old']);
$parent = Process::run(<<<'PHP'
    say(start('parent'));
    $_SESSION['x'] = 'half done';
    $pid = pcntl_fork();
    if ($pid === 0) {
        // Ends like any script: PHP closes its session.
        exit(0);
    }
    pcntl_waitpid($pid, $status);
    say('child ended');
    hear();
    $_SESSION['x'] = 'done';
    session_write_close();
    say('closed');
PHP);
same('the parent holds the session', [true, ''], $parent->hear());
$parent->hear();
ini_set('cloakroom.lock_wait', '0');
same('after the child ended it still does', false, start('parent')[0]);
session_abort();
$parent->tell('close');
same('it closes', 'closed', $parent->hear());
same('and its own data is stored', ['x' => 'done'], stored('parent'));
done();
--EXPECT--
4 claims hold
