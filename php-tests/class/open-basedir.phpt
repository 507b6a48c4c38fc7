--TEST--
open_basedir: a script may name a directory inside; the administrator's own setting is used as it is
--FILE--
<?php
require __DIR__ . '/session_object.inc';
use_objects(own_directory());

$outside = own_directory();
(new Cloakroom\SessionHandler($outside))->write('id', 'outside');
(new Cloakroom\SessionHandler())->write('id', 'setting');
$inside = own_directory();
$process = Process::run('
    [$inside, $outside] = explode(":", hear());
    ini_set("open_basedir", "$inside:/usr:" . __DIR__);
    say((new Cloakroom\SessionHandler())->read("id"));
    say((new Cloakroom\SessionHandler($inside))->write("id", "inside"));
    foreach (["read" => ["id"], "open" => [session_save_path(), ""]] as $method => $arguments) {
        say(with_warnings(fn () => (new Cloakroom\SessionHandler($outside))->$method(...$arguments)));
    }
    say(with_warnings(fn () => (new Cloakroom\SessionHandler())->open($outside, "")));
    say((new Cloakroom\SessionHandler())->open(session_save_path(), ""));
');
$process->tell("$inside:$outside");
same('the setting may lie outside, as it was checked when it was set', 'setting', $process->hear());
same('a directory inside can be chosen', true, $process->hear());
foreach (['the constructor and a read', 'the constructor and open()', 'open()'] as $way) {
    [$result, $warnings] = $process->hear();
    same("one outside cannot by way of $way", false, $result);
    matches("of which PHP tells by way of $way", '/open_basedir restriction in effect/', $warnings);
}
same('PHP itself opens the setting', true, $process->hear());
same('nothing was changed outside', 'outside', (new Cloakroom\SessionHandler($outside))->read('id'));
done();
--EXPECT--
10 claims hold
