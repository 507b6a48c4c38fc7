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

// A handler that writes once more when it destroys, below a store that has just become empty.
final class Farewell extends SessionHandler
{
    public function destroy(string $id): bool
    {
        return parent::destroy($id) && parent::write($id, 'farewell|i:1;');
    }
}
use_cloakroom($directory = own_directory());
chmod($directory, 0700);
session_set_save_handler(new Farewell());
start('leaves');
session_destroy();
$script = Process::run('say(stored("leaves"));');
same('what is written after the end of the last session is there for all processes', ['farewell' => 1], $script->hear());
$script->wait();
session_set_save_handler(new SessionHandler());

// A new store takes longer than a session, so a process makes few.
use_cloakroom($directory = own_directory());
chmod($directory, 0700);
$there = [];
for ($i = 0; $i < 3; $i++) {
    start('again');
    session_destroy();
    clearstatcache();
    $there[] = file_exists(store_file());
}
same('a process removes an empty store once', [false, true, true], $there);
use_cloakroom($directory = own_directory());
chmod($directory, 0700);
start('old');
session_regenerate_id(true);
clearstatcache();
same('and none for a session that goes on under another id', true, file_exists(store_file()));
session_destroy();
done();
--EXPECT--
11 claims hold
