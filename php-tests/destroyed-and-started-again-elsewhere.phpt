--TEST--
An id that one request destroys can be started by the next, and a third that began before writes nothing into it
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '20');

put('visitor', ['life' => 'first']);
start('visitor');
$began_before = Process::run(<<<'PHP'
    say('waits');
    start('visitor');
    $_SESSION['life'] = 'of the one that began before';
    session_write_close();
    say('written');
PHP);
$began_before->hear();
$began_before->sleeps();
session_destroy();
same('in the same request the id starts a new life', [true, ''], start('visitor'));
same('which is empty', [], $_SESSION);
$_SESSION['life'] = 'second';
same('the one that began before goes on', 'written', $began_before->hear());
session_write_close();
same('the new life is stored', ['life' => 'second'], found_free('visitor'));

$next = Process::run('start("visitor"); session_destroy(); say("destroyed"); hear(); start("visitor"); say($_SESSION);');
same('another request destroys it', 'destroyed', $next->hear());
same('this one starts it', [true, ''], start('visitor'));
same('as a third life', [], $_SESSION);
$_SESSION['life'] = 'third';
session_write_close();
$next->tell('go on');
same('which the one that destroyed the second can use', ['life' => 'third'], $next->hear());
$next->wait();

start('visitor');
for ($life = 0; $life < 20; $life++) {
    session_destroy();
    session_id('visitor');
    session_start();
    $_SESSION === [] || print("FAILED: life $life began with data\n");
    $_SESSION['life'] = $life;
}
session_write_close();
same('twenty lives in one request leave the last', ['life' => 19], found_free('visitor'));
done();
--EXPECT--
9 claims hold
