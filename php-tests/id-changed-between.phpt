--TEST--
session_id() can change the id between two sessions, not within one
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

put('before', ['x' => 1]);
start('before');
[$old, $warnings] = with_warnings(fn () => session_id('after'));
same('within a session it is refused', false, $old);
matches('by PHP', '/cannot be changed when a session is active/', $warnings);
same('the id stays', 'before', session_id());
session_write_close();
same('afterwards it answers the old id', 'before', session_id('after'));
session_start();
same('and the next session is another one', [], $_SESSION);
$_SESSION['y'] = 2;
session_write_close();
same('both are kept apart', [['x' => 1], ['y' => 2]], [stored('before'), stored('after')]);
done();
--EXPECT--
6 claims hold
