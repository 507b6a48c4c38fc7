--TEST--
A forked child that ends neither stores nor unlocks its parent's session, and says nothing of it
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
$parent->wait();
same('the child has complained of nothing', '', $parent->complaints());

ini_restore('cloakroom.lock_wait');
$handlers = ['the native handler' => '', 'the class' => 'session_set_save_handler(new Cloakroom\SessionHandler());'];
foreach ($handlers as $handler => $set) {
    foreach (['exclusive', 'merge', 'none'] as $lock) {
        foreach (['exits' => ['exit(0);', false], 'changes nothing' => ['exit(0);', false], 'writes' => ['session_write_close(); exit(0);', true]] as $what => [$code, $complains]) {
            put('parent', ['x' => 'old']);
            $change = $what === 'changes nothing' ? '' : '$_SESSION["x"] = "new";';
            $parent = Process::run("$set start('parent'); $change if (pcntl_fork() === 0) { $code } pcntl_wait(\$status); say(pcntl_wexitstatus(\$status)); session_abort();", ['cloakroom.lock' => $lock]);
            $name = "$handler, $lock, a child that $what";
            same("$name: ends well", 0, $parent->hear());
            $parent->wait();
            same("$name: " . ($complains ? 'is told that it cannot' : 'says nothing'), $complains, str_contains($parent->complaints(), 'was forked'));
            same("$name: has stored nothing", ['x' => 'old'], stored('parent'));
        }
    }
}
done();
--EXPECT--
59 claims hold
