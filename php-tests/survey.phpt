--TEST--
Cloakroom\survey() tells how large and how old the sessions are, without an id or a payload
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

/** The steps of a histogram that have sessions: below which bound => how many. */
function counted(array $histogram): array
{
    $counted = array_column($histogram, 'sessions', 'below');

    return array_filter($counted);
}

[$survey, $warnings] = with_warnings(Cloakroom\survey(...));
same('without a store there is nothing to tell', [], $survey);
matches('and a warning says why', '/survey\(\): Cloakroom: .*there is no store/i', $warnings);
check('no store was created', !file_exists(store_file()));

put('small', ['x' => 1]);
put('small', ['x' => 2]);
put('kilobyte', ['x' => str_repeat('x', 1000)]);
put('large', ['x' => str_repeat('x', 300_000)]);
start('reserved');
session_abort();
$other = Process::run('put("elsewhere", ["x" => 1]); say("written");');
$other->hear();
$other->wait();
$survey = Cloakroom\survey();
same('all sessions were looked at', [true, 5], [$survey['complete'], $survey['sampled']]);
same('their sizes', [1 => 1, 256 => 2, 1024 => 1, 1 << 20 => 1], counted($survey['sizes']));
same('the largest', strlen('x|s:300000:"";') + 300_000, $survey['largest']);
same('they are young', [60 => 5], counted($survey['ages']));
same('and were used just now', [60 => 5], counted($survey['idle']));
same('one has come back', 1, $survey['returned']);
same('the last step has no bound', [null, null, null], array_map(
    fn (string $of) => end($survey[$of])['below'],
    ['sizes', 'ages', 'idle'],
));
start('small');
session_destroy();
ini_set('session.gc_maxlifetime', '1');
put('elsewhere', ['x' => 3]);
// The session lives through the whole second in which it expires.
wait_until('destroyed and expired sessions do not count', fn () => Cloakroom\survey()['sampled'] === 3);

// In a store for more sessions than are looked at, some are drawn; each is as likely as the others.
session_save_path(own_directory());
ini_set('session.gc_maxlifetime', '1440');
$handler = new Cloakroom\SessionHandler(session_save_path());
for ($i = 0; $i < 30_000; $i++) {
    $handler->write("many-$i", $i % 4 === 0 ? str_repeat('x', 2000) : 'x|i:1;');
}
$survey = Cloakroom\survey();
check('of many only some are looked at', !$survey['complete'] && $survey['sampled'] < 5000, fn () => shown($survey));
$share = array_column($survey['sizes'], 'sessions', 'below')[4096] / $survey['sampled'];
check('a quarter of them is large', $share > 0.2 && $share < 0.3, fn () => shown($share));
done();
--EXPECT--
12 claims hold
