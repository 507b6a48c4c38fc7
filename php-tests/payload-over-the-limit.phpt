--TEST--
A payload over 16 MiB is refused with a warning and the old one stays
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('memory_limit', '512M');

put('large', ['x' => 'old']);
start('large');
$_SESSION['x'] = str_repeat('x', (16 << 20) - 15);
[, $warnings] = with_warnings(session_write_close(...));
matches('the warning tells the size and the limit', '/\b16777217\b.*\b16777216\b/', $warnings);
check('it does not show the payload', !str_contains($warnings, 'xxxx'));
same('the old payload stays', ['x' => 'old'], stored('large'));
$other = Process::run('ini_set("cloakroom.lock_wait", "0"); say(start("large"));');
same('the lock is free', [true, ''], $other->hear());
$other->wait();
put('large', ['x' => 'new']);
same('the session goes on', ['x' => 'new'], stored('large'));
done();
--EXPECT--
5 claims hold
