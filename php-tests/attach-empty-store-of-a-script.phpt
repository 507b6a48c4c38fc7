--TEST--
A script that made a store removes it with its last session, where no neighbour can take its name
--FILE--
<?php
require __DIR__ . '/process.inc';

foreach (['a directory of its own' => 0700, 'one where all may make files' => 01777] as $where => $mode) {
    use_cloakroom($directory = own_directory());
    chmod($directory, $mode);
    $script = Process::run('start("only"); say(file_exists(store_file())); session_destroy(); say(file_exists(store_file()));');
    same("$where: the store is there while the session is", true, $script->hear());
    same("$where: and when the session has ended", $mode !== 0700, $script->hear());
    $script->wait();
    clearstatcache();
    same("$where: afterwards", $mode !== 0700, file_exists(store_file()));
    $script = Process::run('put("stays", [1]); say("put");');
    $script->hear();
    $script->wait();
    clearstatcache();
    same("$where: a store with a session stays", true, file_exists(store_file()));
}
done();
--EXPECT--
8 claims hold
