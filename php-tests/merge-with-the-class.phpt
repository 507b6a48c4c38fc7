--TEST--
The class merges as well: opened by PHP, standalone, and below a subclass that changes what is stored
--FILE--
<?php
require __DIR__ . '/session.inc';
$path = own_directory();
use_cloakroom($path);

$handler = new Cloakroom\SessionHandler($path, 'merge');
session_set_save_handler($handler);
put('opened', ['base' => 1]);
start('opened');
$_SESSION['mine'] = 1;
$other = new Cloakroom\SessionHandler($path, 'merge');
same('another object reads meanwhile', 'base|i:1;', $other->read('opened'));
check('and writes', $other->write('opened', 'base|i:1;theirs|i:1;'));
same('the first one writes', [true, ''], with_warnings(session_write_close(...)));
same('both are kept', ['base' => 1, 'theirs' => 1, 'mine' => 1], stored('opened'));

$one = new Cloakroom\SessionHandler($path, 'merge');
$two = new Cloakroom\SessionHandler($path, 'merge');
$write = fn (Cloakroom\SessionHandler $handler, array $data): bool => $handler->write('alone', serialize($data));
$read = fn (Cloakroom\SessionHandler $handler): array => unserialize($handler->read('alone'));
$write($one, ['base' => 1]);
$read($one);
$read($two);
check('two writes', $write($two, ['base' => 1, 'two' => 1]));
check('one writes', $write($one, ['base' => 1, 'one' => 1]));
check('one writes again what it knows', $write($one, ['base' => 2, 'one' => 1]));
same('nothing is lost', ['base' => 2, 'two' => 1, 'one' => 1], $read(new Cloakroom\SessionHandler($path)));
check('one takes its key back', $write($one, ['base' => 2]));
same('that counts', ['base' => 2, 'two' => 1], $read(new Cloakroom\SessionHandler($path)));

/** Stores each payload turned round, which no merge understands. */
class Turned extends Cloakroom\SessionHandler
{
    public function read(string $id): string|false
    {
        return strrev(parent::read($id));
    }

    public function write(string $id, string $data): bool
    {
        return parent::write($id, strrev($data));
    }
}
$turned = new Turned($path, 'merge');
session_set_save_handler($turned);
put('turned', ['base' => 1]);
start('turned');
$_SESSION['mine'] = 1;
$other = new Turned($path, 'merge');
same('it is stored turned round', ';1:i|esab', (new Cloakroom\SessionHandler($path))->read('turned'));
$other->read('turned');
$other->write('turned', 'base|i:1;theirs|i:1;');
session_write_close();
same('the last write wins as a whole', ['base' => 1, 'mine' => 1], stored('turned'));
done();
--EXPECT--
12 claims hold
