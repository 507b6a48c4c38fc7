--TEST--
Each session lives as long as session.gc_maxlifetime said when it was last used
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

$lifetimes = ['short' => '3', 'years' => (string) (10 * 365 * 86400)];
foreach (['short', 'years'] as $first) {
    foreach (['short', 'years'] as $then) {
        ini_set('session.gc_maxlifetime', $lifetimes[$first]);
        put("$first-$then", ['x' => 1]);
        ini_set('session.gc_maxlifetime', $lifetimes[$then]);
        start("$first-$then");
        session_write_close();
    }
}
ini_set('session.gc_maxlifetime', '3');
put('control', ['x' => 1]);
wait_until('the last short one expired', fn () => stored('control') === []);
same('short for ever', [], stored('short-short'));
same('shortened by a touch', [], stored('years-short'));
same('prolonged by a touch', ['x' => 1], stored('short-years'));
same('long for ever', ['x' => 1], stored('years-years'));
done();
--EXPECT--
4 claims hold
