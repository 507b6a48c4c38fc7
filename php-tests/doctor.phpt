--TEST--
Cloakroom\doctor() tells what is wrong with settings, directory and store, and what to do
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

/** The findings on a subject. */
function on(string $subject): array
{
    return array_values(array_filter(Cloakroom\doctor(), fn (array $finding) => $finding['subject'] === $subject));
}

/** The level of the one finding on a subject, or "none". */
function level(string $subject): string
{
    $findings = on($subject);

    return count($findings) > 1 ? 'several' : $findings[0]['level'] ?? 'none';
}

$findings = Cloakroom\doctor();
same('a finding is a level, a subject, what was found and what to do', ['level', 'subject', 'found', 'advice'], array_keys($findings[0]));
same('advice is given where it is needed', [], array_filter(
    $findings,
    fn (array $finding) => ($finding['level'] === 'ok') !== ($finding['advice'] === ''),
));
matches('versions are told', '/' . preg_quote(phpversion('cloakroom')) . '.*PHP 8\./', on('versions')[0]['found']);
same('the directory is right', 'ok', level('directory'));
matches('there is no store yet', '/none yet/', on('store')[0]['found']);
check('and none was created', !file_exists(store_file()));

ini_set('session.use_strict_mode', '0');
same('without strict mode sessions are not safe', 'bad', level('session.use_strict_mode'));
ini_set('session.use_strict_mode', '1');
same('with it nothing is said', 'none', level('session.use_strict_mode'));
same('a cookie that scripts can read', 'warn', level('session.cookie_httponly'));
ini_set('session.cookie_httponly', '1');
same('one that they cannot read', 'none', level('session.cookie_httponly'));
ini_set('cloakroom.lock', 'none');
same('no lock', 'warn', level('cloakroom.lock'));
ini_set('cloakroom.lock', 'exclusive');
same('a lock', 'none', level('cloakroom.lock'));
ini_set('cloakroom.grace', '0');
same('no grace', 'warn', level('cloakroom.grace'));

put('doctor-id', ['x' => 'doctor-payload']);
matches('the store is examined', '/ 1 sessions? /', on('store')[0]['found']);
same('it is not full', 'ok', level('fill'));
check('ids and payloads are not shown', !preg_match('/doctor-id|doctor-payload/', shown(Cloakroom\doctor())));
$holder = Process::run('start("doctor-id"); say("holds"); hear();');
$holder->hear();
ini_set('cloakroom.lock_wait', '0');
start('doctor-id');
same('a wait in vain is told', 'warn', level('history'));
$holder->signal(Process::KILL);
$holder->wait();

$directory = own_directory();
session_save_path("$directory/absent");
same('a directory that is not there', 'bad', level('directory'));
matches('can be created', '/install -d -m 1733 /', on('directory')[0]['advice']);
file_put_contents("$directory/file", '');
session_save_path("$directory/file");
matches('a file is no directory', '/not a directory/', on('directory')[0]['found']);
mkdir("$directory/open");
chmod("$directory/open", 0777);
session_save_path("$directory/open");
matches('a directory in which others may exchange the store', '/chmod \+t/', on('directory')[0]['advice']);
chmod("$directory/open", 0700);
file_put_contents("$directory/open/" . basename(store_file()), str_repeat('not a store', 1000));
chmod("$directory/open/" . basename(store_file()), 0600);
same('a file that is no store', 'bad', level('store'));
matches('and what to do about it', '/move it away/', on('store')[0]['advice']);
session_save_path('2;/tmp');
same('a path that only the handler files knows', 'bad', level('session.save_path'));
session_save_path('memcached://user:doctor-password@localhost');
check('passwords are not shown', !str_contains(shown(Cloakroom\doctor()), 'doctor-password'));
same('no warning was raised for any of this', [true, ''], array_map(
    fn (mixed $answer) => is_array($answer) ? $answer !== [] : $answer,
    with_warnings(Cloakroom\doctor(...)),
));
done();
--EXPECT--
26 claims hold
