--TEST--
Overlapping first requests migrate a session once, and not out of the middle of a request of the old handler
--FILE--
<?php
require __DIR__ . '/migrate.inc';
use_cloakroom(own_directory());
put('stays', ['x' => 1]);
$there = old_directory();
$from = "files:$there";

foreach (['exclusive' => 8, 'merge' => 1] as $mode => $least) {
    put_there($there, $mode, ['kept' => true, 'n' => 0]);
    $requests = [];
    for ($i = 0; $i < 8; $i++) {
        $code = "say('ready'); hear(); start('$mode'); \$_SESSION['n']++; \$_SESSION['by$i'] = true; session_write_close(); say(1);";
        $requests[] = new_request($from, $code, ['cloakroom.lock' => $mode]);
    }
    foreach ($requests as $request) {
        $request->hear();
    }
    foreach ($requests as $request) {
        $request->tell('go');
    }
    foreach ($requests as $request) {
        $request->hear();
    }
    $found = stored($mode);
    same("$mode: nobody's changes are lost", [true, 10], [$found['kept'], count($found)]);
    check("$mode: it was counted up", $found['n'] >= $least, shown($found['n']));
    same("$mode: migrated once", $mode === 'exclusive' ? 1 : 2, migrated());
}

put_there($there, 'busy', ['n' => 1]);
// So old that whoever reads it without its lock can tell that nobody is writing it.
touch("$there/sess_busy", time() - 60);
$old = old_request($there, 'start("busy"); $_SESSION["n"] = 2; say("open"); hear(); session_write_close(); say("closed");');
$old->hear();
[$started, $warnings] = said($from, 'say(start("busy"));', ['cloakroom.lock_wait' => '0']);
same('a request that does not wait for the old one fails', false, $started);
matches('it says why', '/Cloakroom: the session is in use by a request of the old session handler \(files:/', $warnings);
same('a reader does not wait', [['n' => 1], 2], [said($from, 'say(stored("busy"));'), migrated()]);
same('nor did it migrate anything', [], stored('busy'));
$new = new_request($from, 'say("ready"); start("busy"); say($_SESSION);');
$new->hear();
$new->sleeps();
$old->tell('close');
$old->hear();
same('whoever waits finds what the old request wrote', ['n' => 2], $new->hear());
$new->wait();
same('migrated then', [['n' => 2], 3], [stored('busy'), migrated()]);

put_there($there, 'ended', ['n' => 1]);
$old = old_request($there, 'start("ended"); say("open"); hear(); session_destroy(); say("ended");');
$old->hear();
$new = new_request($from, 'say("ready"); start("ended"); say($_SESSION);');
$new->hear();
$new->sleeps();
$old->tell('end');
$old->hear();
same('a session that the old request ends is not migrated', [[], 3], [$new->hear(), migrated()]);
done();
--EXPECT--
13 claims hold
