--TEST--
A flood of sessions that never come back does not push out the others
--INI--
cloakroom.size=8M
--FILE--
<?php
require __DIR__ . '/full_store.inc';
use_cloakroom(own_directory());

for ($number = 0; $number < 10; $number++) {
    use_session("regular$number", ['visits' => 1]);
    use_session("regular$number", ['visits' => 2]);
}
$problems = '';
for ($number = 0; $number < 300; $number++) {
    $problems .= use_session("flood$number", ['filling' => filling($number, 100_000)]);
}
same('300 visitors with 100 KB each get a session, more than three times what fits', '', $problems);
$lost = array_filter(range(0, 9), fn (int $number) => content("regular$number") !== ['visits' => 2]);
same('those who came back are all there', [], $lost);
check('evictions are counted', Cloakroom\status()['evictions'] > 0);
same('the latest visitor is there', ['filling' => filling(299, 100_000)], content('flood299'));
done();
--EXPECT--
4 claims hold
