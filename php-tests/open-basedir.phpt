--TEST--
open_basedir: a save_path inside works, one outside is refused, and nothing is made there
--FILE--
<?php
require __DIR__ . '/process.inc';
$inside = own_directory();
$outside = own_directory();
$temporary = own_directory();
use_cloakroom($inside);

$process = Process::run(<<<PHP
    ini_set('open_basedir', '$inside');
    put('based', ['x' => 1]);
    say(stored('based'));
    say(with_warnings(fn () => session_save_path('$outside')));
    say(session_save_path());
    put('based', ['x' => 2]);
    say(stored('based'));
PHP);
same('inside, sessions work', ['x' => 1], $process->hear());
[, $warnings] = $process->hear();
matches('PHP refuses a save_path outside', '/open_basedir restriction/', $warnings);
same('and the old one stays', $inside, $process->hear());
same('with its sessions', ['x' => 2], $process->hear());
$process->wait();

putenv("TMPDIR=$temporary");
$process = Process::run(<<<PHP
    session_save_path('');
    ini_set('open_basedir', '$inside');
    [\$started, \$warnings] = start('based');
    say([\$started, \$warnings]);
    say(session_status());
    session_save_path('$inside');
    say(stored('based'));
PHP);
putenv('TMPDIR');
[$started, $warnings] = $process->hear();
same('an empty save_path whose meaning lies outside is refused', false, $started);
matches('with a warning that says so', '/open_basedir.*set session\.save_path to a directory inside/s', $warnings);
same('no session is active', PHP_SESSION_NONE, $process->hear());
same('inside, sessions still work', ['x' => 2], $process->hear());
$process->wait();
same('nothing was made outside', [], [...glob("$outside/cloakroom-*"), ...glob("$temporary/cloakroom-*.store")]);
done();
--EXPECT--
9 claims hold
