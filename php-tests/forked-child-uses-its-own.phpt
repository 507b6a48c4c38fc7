--TEST--
A forked child can use sessions of its own, while its parent's is open and after the parent died
--SKIPIF--
<?php function_exists('pcntl_fork') || die('skip this PHP cannot fork (no pcntl)');
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('parent', ['x' => 'old']);
$parent = Process::run(<<<'PHP'
    start('parent');
    $_SESSION['x'] = 'lost';
    $child = pcntl_fork();
    if ($child !== 0) {
        // Until the test kills it.
        pcntl_waitpid($child, $status);
        exit(1);
    }
    // What the child says first is what came of the parent's session.
    say(with_warnings(session_write_close(...)));
    say(start('child'));
    $_SESSION['x'] = 'written';
    hear();
    session_write_close();
    say(stored('child'));
    hear();
    say(start('parent'));
    say($_SESSION);
    $_SESSION['x'] = 'by the child';
    // The end of the script stores it.
PHP);
[$closed, $warnings] = $parent->hear();
matches('the child is told that it cannot write its parent\'s session', '/\bforked?\b/', $warnings);
same('it starts one of its own', [true, ''], $parent->hear());
matches('whose lock it holds', '/is locked/', (string) found_free('child'));
matches('beside its parent', "/process $parent->pid /", (string) found_free('parent'));
$parent->tell('write');
same('it can write it', ['x' => 'written'], $parent->hear());
same('for all', ['x' => 'written'], found_free('child'));

$parent->signal(Process::KILL);
wait_until('the parent\'s session was free', fn () => found_free('parent') === ['x' => 'old']);
$parent->tell('go on');
same('the child takes over the parent\'s session', [true, ''], $parent->hear());
same('as it was stored', ['x' => 'old'], $parent->hear());
wait_until('the child had ended and stored it', fn () => found_free('parent') === ['x' => 'by the child']);
done();
--EXPECT--
8 claims hold
