--TEST--
A session is also migrated by readers, by objects that nobody opened, and in the place of a mere reservation
--FILE--
<?php
require __DIR__ . '/migrate.inc';
use_cloakroom(own_directory());
put('stays', ['x' => 1]);
$there = old_directory();
$from = "files:$there";

put_there($there, 'reader', ['n' => 1]);
same('a reader finds it', ['n' => 1], said($from, 'say(stored("reader"));'));
same('and it is here', [['n' => 1], 1], [stored('reader'), migrated()]);

put_there($there, 'object', ['n' => 1]);
$code = '$object = new Cloakroom\SessionHandler(); say([$object->validateId("object"), $object->read("object"), '
    . '$object->write("object", "n|i:2;"), $object->read("object"), $object->validateId("unknown")]);';
same('an object finds it and goes on', [true, 'n|i:1;', true, 'n|i:2;', false], said($from, $code));
same('it is here', [['n' => 2], 2], [stored('object'), migrated()]);

// A process that dies between reserving the id and storing what it has read leaves this.
put_there($there, 'reserved', ['n' => 1]);
$dead = Process::run('start("reserved"); say(1); hear();');
$dead->hear();
$dead->signal(Process::KILL);
$dead->wait();
same('a reservation holds nothing', [], stored('reserved'));
same('it gives way', ['n' => 1], said($from, 'start("reserved"); say($_SESSION);'));
same('also for good', [['n' => 1], 3], [stored('reserved'), migrated()]);

put_there($there, 'reset', ['n' => 1]);
same('session_reset() finds what was migrated', ['n' => 1], said($from, 'start("reset"); $_SESSION["n"] = 2; session_reset(); say($_SESSION);'));

put_there($there, 'both', ['n' => 1]);
put('both', ['n' => 7]);
same('what is here already stays', ['n' => 7], said($from, 'start("both"); say($_SESSION);'));

put_there($there, 'unset', ['n' => 1]);
said($from, 'start("unset"); session_unset(); session_write_close(); say(1);');
same('what was emptied here stays empty', [[], []], [stored('unset'), said($from, 'say(stored("unset"));')]);
same('once each', 5, migrated());

$empty = old_request($there, 'start("empty"); session_write_close(); say(1);');
$empty->hear();
$empty->wait();
same('an empty session there keeps its id, in strict mode too', 'empty',
    said($from, 'start("empty"); say(session_id());', ['session.use_strict_mode' => '1']));

put_there($there, 'binary', ['n' => 1], ['session.serialize_handler' => 'php_binary']);
same('another format that is told', ['n' => 1],
    said($from, 'start("binary"); say($_SESSION);', ['session.serialize_handler' => 'php_binary']));
done();
--EXPECT--
13 claims hold
