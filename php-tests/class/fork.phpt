--TEST--
A forked child neither unlocks nor writes what an object of its parent holds, and can use sessions of its own
--SKIPIF--
<?php function_exists('pcntl_fork') || die('skip this PHP cannot fork (no pcntl)');
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());

session_set_save_handler(new Cloakroom\SessionHandler());
put('parent', ['x' => 'old']);
$single = new Cloakroom\SessionHandler();
foreach ([
    'ends' => 'exit(0);',
    'closes' => 'session_write_close(); exit(0);',
    'frees its object' => '$handler = null; exit(0);',
    'uses sessions of its own' => '
        (new Cloakroom\SessionHandler())->write("single", "child");
        session_abort();
        put("child", ["x" => "child"]);
        exit(0);',
] as $what => $child) {
    put('parent', ['x' => 'old']);
    $parent = Process::run(with_object('
        session_set_save_handler($handler);
        say(start("parent"));
        $_SESSION["x"] = "half done";
        $pid = pcntl_fork();
        if ($pid === 0) {
            ' . $child . '
        }
        pcntl_waitpid($pid, $status);
        say("child ended");
        hear();
        $_SESSION["x"] = "done";
        session_write_close();
        say("closed");
    '));
    same("the parent holds the session whose child $what", [true, ''], $parent->hear());
    same("the child that $what comes to its end", 'child ended', $parent->hear());
    same("nothing was written by a child that $what", 'x|s:3:"old";', $single->read('parent'));
    ini_set('cloakroom.lock_wait', '0');
    same("the parent still holds the session when a child $what", false, start('parent')[0]);
    session_abort();
    ini_set('cloakroom.lock_wait', '30');
    $parent->tell('close');
    $parent->hear();
    same("and writes it after a child $what", ['x' => 'done'], stored('parent'));
    $parent->wait();
}
same('the child wrote its own', ['child', ['x' => 'child']], [$single->read('single'), stored('child')]);
done();
--EXPECT--
21 claims hold
