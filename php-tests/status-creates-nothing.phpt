--TEST--
Cloakroom\status() looks at the store of the save_path and never creates one
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

[$status, $warnings] = with_warnings(Cloakroom\status(...));
same('without a store there is nothing to tell', [], $status);
matches('and a warning says why', '/status\(\): Cloakroom: .*there is no store/i', $warnings);
check('no store was created', !file_exists(store_file()));
$other = Process::run('put("elsewhere", ["x" => 1]); say("written");');
$other->hear();
same('it finds the store that another process made', 1, Cloakroom\status()['sessions']);
session_save_path(own_directory());
put('one', ['x' => 1]);
put('two', ['x' => 1]);
same('it follows session.save_path', 2, Cloakroom\status()['sessions']);
start('one');
same('it answers within a session, too', 2, Cloakroom\status()['sessions']);
session_abort();
done();
--EXPECT--
6 claims hold
