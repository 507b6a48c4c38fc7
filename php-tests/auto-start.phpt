--TEST--
session.auto_start begins a session before the script
--INI--
session.save_handler=cloakroom
session.save_path={PWD}
session.auto_start=1
session.use_cookies=0
session.cache_limiter=
--FILE--
<?php
// The store lies beside this file, because the session starts before the script could choose a directory.
register_shutdown_function(function (): void {
    session_write_close();
    array_map(unlink(...), glob(__DIR__ . '/cloakroom-*.store'));
});
require __DIR__ . '/check.inc';

same('a session is active', PHP_SESSION_ACTIVE, session_status());
same('it is Cloakroom\'s', 'cloakroom', session_module_name());
matches('it has an id', '/^[0-9a-zA-Z,-]{22,}$/', session_id());
$_SESSION['x'] = 1;
session_write_close();
session_start();
same('its data is stored', ['x' => 1], $_SESSION);
same('in the directory that was set', 1, count(glob(__DIR__ . '/cloakroom-*.store')));
session_write_close();
done();
--EXPECT--
5 claims hold
