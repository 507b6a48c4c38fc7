--TEST--
Writing and touching a session extend its lifetime, reading does not
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());
ini_set('session.gc_maxlifetime', '4');

$ways = ['written', 'touched', 'aborted', 'read and closed', 'left alone'];
foreach ($ways as $number => $way) {
    put("way$number", ['way' => $way]);
}
$created = time();
wait_until('half the lifetime was over', fn () => time() >= $created + 2);
foreach ($ways as $number => $way) {
    if ($way === 'left alone') {
        continue;
    }
    start("way$number", ['read_and_close' => $way === 'read and closed']);
    same("half way it is there: $way", ['way' => $way], $_SESSION);
    if ($way === 'written') {
        $_SESSION['again'] = true;
    }
    $way === 'aborted' ? session_abort() : session_write_close();
}
wait_until('the session that was left alone expired', fn () => stored('way4') === [], 10);
same('writing extends', ['way' => 'written', 'again' => true], stored('way0'));
same('touching extends', ['way' => 'touched'], stored('way1'));
same('reading and aborting does not', [], stored('way2'));
same('read_and_close does not', [], stored('way3'));
done();
--EXPECT--
8 claims hold
