--TEST--
session_start(['cloakroom_lock' => ...]) chooses the lock mode
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('cloakroom.lock_wait', '0');

$holder = Process::run('start("choice"); say("holds"); hear();');
$holder->hear();
same('none: the start does not wait', [true, ''], start('choice', ['cloakroom_lock' => 'none']));
session_abort();
same('exclusive: it does', false, start('choice', ['cloakroom_lock' => 'exclusive'])[0]);
same('merge: the start does not wait', [true, ''], start('choice', ['cloakroom_lock' => 'merge']));
session_abort();
[, $warnings] = start('another', ['cloakroom_lock' => 'shared']);
matches('and so is what no mode is called', '/must be "exclusive", "merge" or "none"/', $warnings);
session_abort();
same('php.ini\'s own setting is not changed', 'exclusive', ini_get('cloakroom.lock'));
done();
--EXPECT--
5 claims hold
