--TEST--
In strict mode a new session that is only read keeps its id
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('session.use_strict_mode', '1');

same('a new session is read and closed', [true, ''], start('', ['read_and_close' => true]));
$id = session_id();
start($id, ['read_and_close' => true]);
same('reading it again keeps the id', $id, session_id());
start($id);
same('starting it keeps the id', $id, session_id());
session_write_close();
$other = Process::run('ini_set("session.use_strict_mode", "1"); start(hear()); say(session_id());');
$other->tell($id);
same('in another process as well', $id, $other->hear());
done();
--EXPECT--
4 claims hold
