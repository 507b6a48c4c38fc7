--TEST--
A full store refuses writes with a warning and loses nothing
--INI--
cloakroom.size=8M
--FILE--
<?php
require __DIR__ . '/full_store.inc';
use_cloakroom(own_directory());

// Sessions that came back twice may not be evicted for others.
$refused = null;
for ($number = 0; $number < 100 && $refused === null; $number++) {
    $first = use_session("s$number", ['uses' => 1]) . use_session("s$number", ['uses' => 2]);
    $third = use_session("s$number", ['filling' => filling($number, 200_000)]);
    if ($first . $third !== '') {
        $refused = $number;
    }
}
check('the store is full at some time', $refused !== null);
check('not before half of it is used', $refused >= 20, "after $refused sessions");
same('the first writes, which fit, are done', '', $first);
matches('the warning says that it is full and what to do', '~cloakroom-\d+\.store is full.*cloakroom\.size~s', $third);
same('the session that did not fit keeps what it had', ['uses' => 2], content("s$refused"));
$lost = array_filter(range(0, $refused - 1), fn (int $number) => content("s$number") !== ['filling' => filling($number, 200_000)]);
same('all others are whole', [], $lost);

// Space goes from one part of the store to another in large pieces, so more than one session has to end.
for ($number = 0; $number < $refused; $number++) {
    start("s$number");
    session_destroy();
}
same('once other sessions end there is room', '', use_session("s$refused", ['filling' => filling($refused, 200_000)]));
same('for all of it', ['filling' => filling($refused, 200_000)], content("s$refused"));
done();
--EXPECT--
8 claims hold
