--TEST--
A session that reaches memory_limit while it is encoded stays as it was, and its lock becomes free
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$ways = [
    'by the end of the script' => '',
    'by session_write_close()' => 'session_write_close();',
    'in a shutdown function' => 'register_shutdown_function(session_write_close(...));',
    'by session_regenerate_id()' => 'session_regenerate_id(false);',
];
foreach ($ways as $way => $end) {
    put('growing', ['x' => 'stored']);
    $small = Process::run(<<<PHP
        start('growing');
        \$_SESSION['x'] = str_repeat('x', 7_000_000);
        // The encoding needs the same again.
        say('encodes');
        $end
    PHP, ['memory_limit' => '10M']);
    same("$way: the session is about to be encoded", 'encodes', $small->hear());
    check("$way: the script does not end normally", $small->wait() !== 0);
    matches("$way: memory was the reason", '/Allowed memory size|memory limit/', $small->complaints());
    same("$way: the session is free and as it was", ['x' => 'stored'], found_free('growing'));
}
done();
--EXPECT--
16 claims hold
