--TEST--
Sessions of PHP's handler "files" are migrated on their first use, once, by each kind of handler in each lock mode
--FILE--
<?php
require __DIR__ . '/migrate.inc';
use_cloakroom(own_directory());
// A store may end with its last session.
put('stays', ['x' => 1]);

$object = new stdClass();
$object->self = $object;
$data = ['n' => 1, 'text' => "a|b\0ü", 'list' => [1, [2, 3]], 'object' => $object];
$taken = 0;
foreach (['' => 0, '2;' => 2, '1;0600;' => 1] as $prefix => $depth) {
    $there = old_directory($depth);
    foreach (['native' => '', 'class' => 'session_set_save_handler(new Cloakroom\SessionHandler());'] as $kind => $handler) {
        foreach (['exclusive', 'merge', 'none'] as $mode) {
            foreach (['0', '1'] as $strict) {
                $id = substr('abcdefgh', $depth) . "-$kind-$mode-$strict-$depth";
                $path = $prefix . $there;
                put_there($path, $id, $data);
                $file = old_file($there, $id, $depth);
                $before = [file_get_contents($file), filemtime($file)];
                $found = said("files:$path", <<<PHP
                    $handler
                    \$started = start('$id');
                    \$found = \$_SESSION;
                    \$_SESSION['n']++;
                    session_write_close();
                    say([\$started, session_id(), \$found['n'], \$found['object']->self === \$found['object']]);
                    PHP, ['session.use_strict_mode' => $strict, 'cloakroom.lock' => $mode]);
                $claim = "$kind, $mode, strict mode $strict, depth $depth";
                same($claim, [[true, ''], $id, 1, true], $found);
                clearstatcache();
                same("$claim: what is there stays as it is", $before, [file_get_contents($file), filemtime($file)]);
                $again = said("files:$path", "start('$id'); say(\$_SESSION['n']);");
                same("$claim: only once", 2, $again);
                same("$claim: counted", ++$taken, migrated());
            }
        }
    }
}
done();
--EXPECT--
144 claims hold
