--TEST--
status(), metrics() and doctor() tell of the server and what was done on it; survey() has nothing to tell
--SKIPIF--
<?php getenv('CLOAKROOM_TEST_SERVER') || die('skip no server: scripts/run-phpt --redis has one');
--FILE--
<?php
require __DIR__ . '/server.inc';
use_cloakroom(own_directory());

put('figures-id', ['x' => 'figures-payload']);
$other = Process::run('put("elsewhere", ["x" => 1]); say("written");');
$other->hear();
$other->wait();
// A process tells what it has counted once a second, and when it is asked.
$status = Cloakroom\status();
same('two sessions', 2, $status['sessions']);
check('the writes of this process', $status['writes'] >= 1);
check('the memory of the server', $status['server_memory'] > 0);
check('every figure is a number', array_filter(array_slice($status, 2), is_int(...)) === array_slice($status, 2));

$text = Cloakroom\metrics();
matches('metrics tell the sessions', '/^cloakroom_sessions 2$/m', $text);
matches('and the memory', '/^# UNIT cloakroom_server_memory_bytes bytes$/m', $text);
matches('and end as they must', '/\n# EOF\n\z/', $text);

[$survey, $warnings] = with_warnings(Cloakroom\survey(...));
same('sizes and ages are not known', [[], ''], [$survey, $warnings]);

$findings = array_column(Cloakroom\doctor(), 'found', 'subject');
preg_match('/^(?:redis|valkey)_version:(\S+)/m', ask_server('INFO', 'server'), $version);
check('the doctor tells the version', str_contains($findings['server'], $version[1]), fn () => $findings['server']);
matches('and how fast the server answers', '/ ms$/', $findings['latency']);
ask_server('CONFIG', 'SET', 'maxmemory', '1gb');
ask_server('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
$levels = array_column(Cloakroom\doctor(), 'level', 'subject');
ask_server('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
ask_server('CONFIG', 'SET', 'maxmemory', '0');
same('a server that drops sessions is not as it should be', 'warn', $levels['maxmemory-policy']);
check('neither ids nor data are shown', !preg_match('/figures-id|figures-payload/', $text . shown($findings)));

session_save_path('redis://user:figures-password@127.0.0.1:1');
$levels = array_column(Cloakroom\doctor(), 'level', 'subject');
same('a server that does not answer', 'bad', $levels['session servers']);
same('a password that every script can read', 'warn', $levels['session.save_path']);
check('the password is not shown', !str_contains(shown(Cloakroom\doctor()), 'figures-password'));
same('without a server there are no metrics', '', @Cloakroom\metrics());
done();
--EXPECT--
16 claims hold
