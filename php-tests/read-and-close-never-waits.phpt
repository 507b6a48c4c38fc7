--TEST--
read_and_close takes the last stored data while another request holds the lock, however it is called
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
// A read that waited would fail here instead of taking long.
ini_set('cloakroom.lock_wait', '0');

put('held', ['x' => 'stored']);
$holder = Process::run('say(start("held")); $_SESSION["x"] = "not stored yet"; hear(); session_write_close(); say("closed");');
same('a process holds the session', [true, ''], $holder->hear());

$options = ['read_and_close' => true];
$ways = [
    'directly' => fn () => session_start($options),
    'with a named argument' => fn () => session_start(options: $options),
    'with a number for the option' => fn () => session_start(['read_and_close' => 1]),
    'with a string for the option' => fn () => session_start(['read_and_close' => '1']),
    'by call_user_func' => fn () => call_user_func('session_start', $options),
    'by call_user_func_array' => fn () => call_user_func_array('session_start', ['options' => $options]),
    'by reflection' => fn () => (new ReflectionFunction('session_start'))->invoke($options),
    'as a first-class callable' => fn () => (session_start(...))($options),
    'with other options' => fn () => session_start(['use_strict_mode' => '1'] + $options),
];
foreach ($ways as $way => $call) {
    session_id('held');
    same("it reads at once $way", [[true, ''], ['x' => 'stored']], [with_warnings($call), $_SESSION]);
}
same('a start that does not ask for it has to wait', false, start('held', ['read_and_close' => false])[0]);
$holder->tell('close');
$holder->hear();
same('later it reads what was stored then', ['x' => 'not stored yet'], stored('held'));
done();
--EXPECT--
12 claims hold
