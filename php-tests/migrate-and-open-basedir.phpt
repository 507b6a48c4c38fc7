--TEST--
A directory's own configuration can name a place of the old handler only where open_basedir lets it
--FILE--
<?php
require __DIR__ . '/cgi.inc';
use_cloakroom(own_directory());
$outside = own_directory();
$configure = fn (string $from) => request('file_put_contents(__DIR__ . "/.user.ini", ' . var_export("$from\n", true) . '); echo __DIR__;');
[, $inside] = $configure('');
// Without it PHP reads no .user.ini.
putenv("DOCUMENT_ROOT=$inside");
// A log file would get a line with the time, for which PHP makes its zones before it is ready to end them: with a warning of its
// own at this stage, a PHP that reports leaks reports those.
$based = ['open_basedir' => $inside . ':' . session_save_path(), 'error_log' => ''];
$look = 'echo ini_get("cloakroom.migrate_from"), ini_get("cloakroom.migrate_to");';

foreach (['migrate_from', 'migrate_to'] as $name) {
    $configure("cloakroom.$name = \"files:1;$outside\"");
    same("$name: without open_basedir it counts", "files:1;$outside", request($look)[1]);
    $request = new CgiRequest($look, '', $based);
    same("$name: outside it does not", '', $request->response()[1]);
    matches("$name: PHP tells", '/open_basedir restriction in effect/', $request->errors());
    $configure("cloakroom.$name = \"files:$inside\"");
    same("$name: inside it does", "files:$inside", request($look, '', $based)[1]);
}
done();
--EXPECT--
8 claims hold
