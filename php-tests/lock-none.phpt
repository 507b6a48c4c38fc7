--TEST--
cloakroom.lock = none: nobody waits and the last write wins
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock', 'none');
ini_set('cloakroom.lock_wait', '0');

put('free', ['x' => 'old', 'both' => 1]);
$other = Process::run(<<<'PHP'
    ini_set('cloakroom.lock', 'none');
    say(start('free'));
    $_SESSION['x'] = 'other';
    hear();
    session_write_close();
    say('written');
PHP);
same('another process has the session open', [true, ''], $other->hear());
same('this one gets it at once', [true, ''], start('free'));
$_SESSION['x'] = 'mine';
same('and writes', [true, ''], with_warnings(session_write_close(...)));
same('its data is stored', ['x' => 'mine', 'both' => 1], stored('free'));
$other->tell('write');
same('the other one writes later', 'written', $other->hear());
same('and wins', ['x' => 'other', 'both' => 1], stored('free'));

$holder = Process::run('ini_set("cloakroom.lock", "exclusive"); start("free"); say("holds"); hear();');
$holder->hear();
same('a request without a lock does not wait for one with a lock either', [true, ''], start('free'));
session_abort();
done();
--EXPECT--
7 claims hold
