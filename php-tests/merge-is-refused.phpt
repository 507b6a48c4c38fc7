--TEST--
The lock mode "merge" is refused with a message that says what to use, not imitated
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

[$set, $warnings] = with_warnings(fn () => ini_set('cloakroom.lock', 'merge'));
same('a script cannot set it', false, $set);
matches('it is told what there is', '/merge.*exclusive.*none/s', $warnings);

start('shared');
$process = Process::run('ini_set("cloakroom.lock_wait", "0"); say(start("shared")[0]);', ['cloakroom.lock' => 'merge']);
same('a process whose php.ini says so locks as by default', false, $process->hear());
$process->wait();
matches('and complains', '/merge.*exclusive.*none/s', $process->complaints());
same('the mode is what it was', 'exclusive', ini_get('cloakroom.lock'));
session_abort();
done();
--EXPECT--
5 claims hold
