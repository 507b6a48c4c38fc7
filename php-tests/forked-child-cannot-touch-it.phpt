--TEST--
Whatever a forked child does with its parent's session: the parent keeps the lock and its data
--SKIPIF--
<?php
function_exists('pcntl_fork') || die('skip this PHP cannot fork (no pcntl)');
function_exists('posix_kill') || die('skip this PHP cannot kill (no posix)');
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$deeds = [
    'writes' => 'session_write_close();',
    'writes unchanged data' => '$_SESSION = ["x" => "old"]; session_write_close();',
    'aborts' => 'session_abort();',
    'resets' => 'ini_set("cloakroom.lock_wait", "0"); session_reset();',
    'resets and writes' => 'ini_set("cloakroom.lock_wait", "0"); session_reset(); $_SESSION["x"] = "of the child"; session_write_close();',
    'regenerates the id' => 'session_regenerate_id(false);',
    'regenerates the id, deleting' => 'session_regenerate_id(true);',
    'destroys' => 'session_destroy();',
    'destroys twice' => 'session_destroy(); ini_set("cloakroom.lock_wait", "0"); session_id("parent"); session_start() && session_destroy();',
    'starts it again' => 'session_abort(); ini_set("cloakroom.lock_wait", "0"); session_id("parent"); session_start();',
    'ends by an exception' => 'throw new LogicException();',
    'ends by a fatal error' => 'ini_set("memory_limit", "8M"); $x = str_repeat("x", 12_000_000);',
    'is killed' => 'posix_kill(getmypid(), SIGKILL);',
    'has a child that writes' => '$grandchild = pcntl_fork(); if ($grandchild !== 0) pcntl_waitpid($grandchild, $status); session_write_close();',
    'uses other sessions' => 'session_abort(); put("another", ["x" => getmypid()]); put("another", ["x" => 1]); session_id("another"); session_start();',
];
foreach ($deeds as $what => $deed) {
    put('parent', ['x' => 'old']);
    $parent = Process::run(<<<PHP
        say(start('parent'));
        \$_SESSION['x'] = 'half done';
        \$child = pcntl_fork();
        if (\$child === 0) {
            error_reporting(0);
            \$_SESSION['x'] = 'of the child';
            $deed
            exit(0);
        }
        pcntl_waitpid(\$child, \$status);
        say('child ended');
        hear();
        \$_SESSION['x'] = 'done';
        say(session_write_close());
        hear();
    PHP);
    same("a child $what: the parent holds the session", [true, ''], $parent->hear());
    same("a child $what: it ends", 'child ended', $parent->hear());
    same("a child $what: what others read is as it was", ['x' => 'old'], stored('parent'));
    matches("a child $what: the parent still holds the session", "/process $parent->pid /", (string) found_free('parent'));
    $parent->tell('close');
    same("a child $what: the parent can write", true, $parent->hear());
    same("a child $what: the session is free and has the parent's data", ['x' => 'done'], found_free('parent'));
    $parent->tell('end');
    same("a child $what: the parent ends normally", 0, $parent->wait());
}
done();
--EXPECT--
105 claims hold
