--TEST--
Cloakroom\metrics() tells the figures of status() as OpenMetrics, of all processes together
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

[$text, $warnings] = with_warnings(Cloakroom\metrics(...));
same('without a store there is nothing to tell', '', $text);
matches('and a warning says why', '/metrics\(\): Cloakroom: .*there is no store/i', $warnings);
check('no store was created', !file_exists(store_file()));

put('metrics-id', ['x' => 'metrics-payload']);
$other = Process::run('put("elsewhere", ["x" => 1]); say("written");');
$other->hear();
$other->wait();
$status = Cloakroom\status();
$text = Cloakroom\metrics();
matches('it ends as an exposition must', '/\n# EOF\n\z/', $text);
check('it shows neither id nor payload', !preg_match('/metrics-id|metrics-payload|elsewhere/', $text));

preg_match_all('/^(\w+)(?:\{(.*)\})? (\S+)$/m', $text, $samples, PREG_SET_ORDER);
$values = [];
foreach ($samples as [, $name, $labels, $value]) {
    $values[$name . ($labels === '' ? '' : "{{$labels}}")] = $value;
}
same('sessions are told', (string) $status['sessions'], $values['cloakroom_sessions']);
same('two of them', '2', $values['cloakroom_sessions']);
same('their bytes', (string) $status['bytes'], $values['cloakroom_payload_bytes']);
same('writes of both processes', '2', $values['cloakroom_writes_total']);
same('waits', '0', $values['cloakroom_lock_wait_seconds_count']);
same('also as a histogram', '0', $values['cloakroom_lock_wait_seconds_bucket{le="+Inf"}']);
same(
    'where the store is',
    '1',
    $values['cloakroom_store_info{store="' . store_file() . '",version="' . phpversion('cloakroom') . '"}'],
);

$holder = Process::run('
    start("elsewhere");
    say("holds");
    wait_until("somebody waits for the session", fn () => Cloakroom\status()["waiting"] === 1);
    session_write_close();
    hear();
');
$holder->hear();
start('elsewhere');
matches('a wait is counted', '/^cloakroom_lock_wait_seconds_count 1$/m', Cloakroom\metrics());
preg_match('/^cloakroom_lock_wait_seconds_sum (\S+)$/m', Cloakroom\metrics(), $sum);
check('with its time', (float) $sum[1] > 0 && (float) $sum[1] < 30, fn () => $sum[0]);
// Who hands a lock over tidies up afterwards, and is counted until then.
wait_until('one session is locked', fn () => Cloakroom\status()['locked'] === 1);
session_abort();
wait_until('and then none is', fn () => Cloakroom\status()['locked'] === 0);
$holder->signal(Process::KILL);
$holder->wait();
done();
--EXPECT--
14 claims hold
