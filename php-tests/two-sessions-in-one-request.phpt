--TEST--
One request can use several sessions one after the other
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

same('the first starts', [true, ''], start('first'));
$_SESSION = ['name' => 'first'];
session_write_close();
same('the second starts', [true, ''], start('second'));
same('and is empty', [], $_SESSION);
$_SESSION = ['name' => 'second'];
$other = Process::run('ini_set("cloakroom.lock_wait", "0"); say([start("first")[0], $_SESSION]); session_abort(); say(start("second")[0]);');
same('the first is free meanwhile', [true, ['name' => 'first']], $other->hear());
same('the second is not', false, $other->hear());
session_write_close();
$other->wait();
for ($i = 0; $i < 50; $i++) {
    $name = $i % 2 ? 'second' : 'first';
    start($name);
    $_SESSION['name'] === $name || print("FAILED: $name is {$_SESSION['name']}\n");
    $_SESSION['uses'] = ($_SESSION['uses'] ?? 0) + 1;
    session_write_close();
}
same('the first counted its uses', ['name' => 'first', 'uses' => 25], stored('first'));
same('the second its own', ['name' => 'second', 'uses' => 25], stored('second'));
done();
--EXPECT--
7 claims hold
