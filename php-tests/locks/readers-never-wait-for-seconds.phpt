--TEST--
read_and_close does not wait for a request that holds the lock for seconds, nor behind others that wait for it
--FILE--
<?php
require __DIR__ . '/handlers_and_modes.inc';
use_cloakroom($store = own_directory());
put('held', ['x' => 'stored']);
$holder = Process::run('start("held"); $_SESSION["x"] = "later"; say(hrtime(true)); hear(); session_write_close(); say("closed");');
$since = $holder->hear();
$waiting = Process::run('say("starts"); say(start("held")); say($_SESSION);');
$waiting->hear();
$waiting->sleeps();

// Reads until the lock was held for two seconds, and at least once everywhere.
$slowest = $reads = 0;
do {
    in_every_handler_and_mode($store, function (string $where) use (&$slowest, &$reads): void {
        $began = hrtime(true);
        $found = stored('held');
        $slowest = max($slowest, hrtime(true) - $began);
        $reads++;
        $found === ['x' => 'stored'] || check("$where: it reads what is stored", false, shown($found));
    });
} while (hrtime(true) < $since + 2e9);
check('there were readers all the time', $reads >= 12);
// Whoever waited once would have waited for longer, as the lock was held until after the last read.
check('none of them waited', $slowest < 1e9, ($slowest / 1e6) . ' ms');
use_cloakroom($store);
$holder->tell('close');
same('the holder held it until then', 'closed', $holder->hear());
same('the other one that waited gets it', [[true, ''], ['x' => 'later']], [$waiting->hear(), $waiting->hear()]);
done();
--EXPECT--
4 claims hold
