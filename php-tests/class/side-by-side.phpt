--TEST--
Objects and PHP's own session side by side in one request
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_cloakroom($own = own_directory());
ini_set('cloakroom.lock_wait', '10');

$open = function (?string $path = null): Cloakroom\SessionHandler {
    $handler = new Cloakroom\SessionHandler($path);
    $handler->open(session_save_path(), session_name());

    return $handler;
};
$held = '/this request holds the session.s lock already/';
$fails = function (string $claim, Cloakroom\SessionHandler $handler, string $id) use ($held): void {
    $began = hrtime(true);
    [$read, $warnings] = with_warnings(fn () => $handler->read($id));
    same($claim, false, $read);
    matches("$claim, and the warning names the reason", $held, $warnings);
    check("$claim, at once", hrtime(true) - $began < 5e9);
};

// Two objects on different stores, both with a lock on the same id, and PHP's session on a third id.
[$one, $two] = [$open(), $open($elsewhere = own_directory())];
$one->read('same');
$two->read('same');
same('PHP\'s own session is a third one', [true, ''], start('native'));
$_SESSION['x'] = 'native';
same('all three are written', [true, true, true], [$one->write('same', 'one'), $two->write('same', 'two'), session_write_close()]);
same('each where it belongs', ['one', 'two', ['x' => 'native']], [
    (new Cloakroom\SessionHandler($own))->read('same'),
    (new Cloakroom\SessionHandler($elsewhere))->read('same'),
    stored('native'),
]);

// One session through two of them at once would wait for itself.
start('native');
$fails('an object cannot lock what PHP\'s session holds', $one, 'native');
$single = new Cloakroom\SessionHandler();
same('a single read needs no lock', 'x|s:6:"native";', $single->read('native'));
refused('but a single write does', $single, 'native', 'x|i:1;', $held);
$_SESSION['x'] = 'still native';
same('PHP\'s session is not disturbed', [true, ''], with_warnings(session_write_close(...)));
same('and is stored', ['x' => 'still native'], stored('native'));

$one->close();
$one = $open();
$third = $open();
same('an object locks a session', 'one', $one->read('same'));
$fails('another object cannot lock it, too', $third, 'same');
[$started, $warnings] = with_warnings(function (): bool {
    session_id('same');

    return session_start();
});
same('nor can PHP\'s session', false, $started);
matches('for the same reason', $held, $warnings);
same('a reader can', 'one', (new Cloakroom\SessionHandler())->read('same'));
same('the first one writes', true, $one->write('same', 'n|i:1;'));
same('then the second one reads', 'n|i:1;', $third->read('same'));

// The lock ends with the object.
unset($third);
same('an object that ends leaves no lock', ['n' => 1], (function (): array {
    $other = Process::run('ini_set("cloakroom.lock_wait", "0"); say(start("same")[0] ? $_SESSION : []);');

    return $other->hear();
})());
$three = $open();
$three->read('same');
$three = null;
same('in whatever way', [true, ''], start('same'));
session_abort();
$three = $open();
$three->read('same');
$three->__construct();
same('or begins anew', [true, ''], start('same'));
session_abort();
$three->open(session_save_path(), '');
$three->read('same');
same('or is opened elsewhere', [true, ''], $three->open($elsewhere, '') ? start('same') : []);
session_abort();
$cycle = new class {
    public mixed $self;
    public mixed $handler;
};
$cycle->self = $cycle;
$cycle->handler = $open();
$cycle->handler->read('same');
unset($cycle);
gc_collect_cycles();
same('also when it is collected with what held it', [true, ''], start('same'));
session_abort();
done();
--EXPECT--
25 claims hold
