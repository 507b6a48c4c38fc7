--TEST--
A flood of logouts leaves room for sessions, and keeps slower requests out all the same
--INI--
cloakroom.size=8M
--FILE--
<?php
require __DIR__ . '/full_store.inc';
use_cloakroom(own_directory());

for ($visit = 1; $visit <= 3; $visit++) {
    use_session('customer', ['visits' => $visit]);
}
// One that reads without a lock, and writes when all is over.
$slow = new Cloakroom\SessionHandler();
use_session('leaver', ['user' => 'alice']);
$read = $slow->read('leaver');
session_id('leaver');
session_start();
session_destroy();

$failures = 0;
for ($number = 0; $number < 20_000; $number++) {
    session_id("visitor$number");
    $failures += (int) !session_start();
    session_destroy();
}
same('nobody is refused', 0, $failures);
$status = Cloakroom\status();
check('what is remembered takes a tenth of the store', $status['tombstones'] * 128 <= $status['capacity'] / 10);
check('and not much less', $status['tombstones'] * 128 > $status['capacity'] / 11);
ini_set('session.use_strict_mode', '1');
for ($number = 0; $number < 5000; $number++) {
    session_id('');
    session_start();
    session_destroy();
}
same('of ids that were drawn for requests nothing is remembered', $status['tombstones'], Cloakroom\status()['tombstones']);
ini_set('session.use_strict_mode', '0');
same('the customer can change the cart', '', use_session('customer', ['cart' => filling(1, 3000)]));
same('another can log in', '', use_session('newcomer', ['user' => filling(2, 1000)]));
$slow->write('leaver', $read);
check('a logout from before all of that is not undone', content('leaver') === []);
done();
--EXPECT--
7 claims hold
