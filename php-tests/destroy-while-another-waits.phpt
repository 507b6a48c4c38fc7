--TEST--
A session destroyed while another request waits for it stays destroyed
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('logout', ['user' => 'somebody']);
start('logout');
$waiting = Process::run(<<<'PHP'
    say('starts');
    $started = start('logout');
    say([$started, $_SESSION]);
    $_SESSION['user'] = 'revived';
    session_write_close();
    say('closed');
PHP);
same('another request begins', 'starts', $waiting->hear());
$waiting->sleeps();
same('the holder destroys the session', true, session_destroy());

[$started, $data] = $waiting->hear();
same('the other request goes on', true, $started[0]);
same('it finds nothing of the destroyed session', [], $data);
same('it closes', 'closed', $waiting->hear());
same('and what it wrote did not revive the session', [], stored('logout'));
done();
--EXPECT--
6 claims hold
