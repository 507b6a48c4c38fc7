--TEST--
Settings changed while a session is open: PHP refuses its own, Cloakroom's count from the next use on
--FILE--
<?php
require __DIR__ . '/process.inc';
$first = own_directory();
$second = own_directory();
use_cloakroom($first);

put('open', ['x' => 'old']);
foreach ([
    'session.save_path' => $second,
    'session.save_handler' => 'files',
    'session.serialize_handler' => 'php_serialize',
    'session.gc_maxlifetime' => '1',
    'session.name' => 'OTHER',
    'session.use_strict_mode' => '1',
    'session.lazy_write' => '0',
] as $name => $value) {
    start('open');
    [$set, $warnings] = with_warnings(fn () => ini_set($name, $value));
    same("$name is refused while a session is active", false, $set);
    matches("$name: by PHP, with a warning", '/cannot be changed when a session is active/', $warnings);
    $_SESSION['x'] = $name;
    session_write_close();
    same("$name: the session is stored and free", ['x' => $name], found_free('open'));
}
same('nothing was made elsewhere', [], glob("$second/*"));

// The mode of a lock that is held does not change.
start('open');
ini_set('cloakroom.lock', 'none');
matches('with cloakroom.lock = none the lock stays', '/is locked/', (string) found_free('open'));
$_SESSION['x'] = 'stored under another mode';
session_write_close();
same('the session is stored and free', ['x' => 'stored under another mode'], found_free('open'));
start('open');
ini_set('cloakroom.lock', 'exclusive');
$_SESSION['x'] = 'without a lock';
same('a session that began without a lock ends without one', ['x' => 'stored under another mode'], found_free('open'));
same('and is written', [true, ''], with_warnings(session_write_close(...)));
same('as it was changed', ['x' => 'without a lock'], found_free('open'));

start('open');
ini_set('cloakroom.lock', 'none');
same('session_reset() follows the new mode', true, session_reset());
session_abort();
ini_set('cloakroom.lock', 'exclusive');

start('open');
foreach (['cloakroom.lock_wait' => '0', 'cloakroom.max_waiters' => '1', 'cloakroom.tombstone' => '1'] as $name => $value) {
    same("$name can be changed", [true, ''], with_warnings(fn () => ini_set($name, $value) !== false));
}
$_SESSION['x'] = 'after all';
session_write_close();
same('the session is stored and free in the end', ['x' => 'after all'], found_free('open'));

// Between two sessions everything may change.
session_save_path($second);
same('another save_path has another session', [true, ''], start('open'));
same('which is empty', [], $_SESSION);
$_SESSION['x'] = 'second';
session_write_close();
session_save_path($first);
same('the first one is as it was', ['x' => 'after all'], found_free('open'));

$process = Process::run(<<<'PHP'
    start('open');
    $_SESSION['x'] = 'by the end of the script';
    ini_set('cloakroom.lock', 'none');
    ini_set('cloakroom.lock_wait', '0');
    @ini_set('session.save_path', '/nowhere');
    ini_restore('session.save_path');
    ini_restore('session.save_handler');
PHP);
same('a script that changes settings ends normally', 0, $process->wait());
same('and its session is stored where it began', ['x' => 'by the end of the script'], found_free('open'));
done();
--EXPECT--
37 claims hold
