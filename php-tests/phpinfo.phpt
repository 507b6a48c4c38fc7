--TEST--
phpinfo() has a section that tells what matters and no secrets
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

/** The section of the extension, without the rest of phpinfo(). */
function section(): string
{
    ob_start();
    phpinfo(INFO_MODULES);
    $all = ob_get_clean();

    return preg_match('/\ncloakroom\n\n.*?(?=\n\n[a-zA-Z]\w*\n\n|\z)/s', $all, $match) ? $match[0] : '';
}

start('phpinfo-id');
$_SESSION['secret'] = 'phpinfo-payload';
$section = section();
session_write_close();
matches('it says that the handler is there', '/cloakroom/i', $section);
matches('it tells the version', '/' . preg_quote(phpversion('cloakroom')) . '/', $section);
matches('it lists the directives', '/cloakroom\.lock => exclusive.*cloakroom\.size => 1G/s', $section);
check('it shows no session id', !str_contains($section, 'phpinfo-id'));
check('it shows no payload', !str_contains($section, 'phpinfo-payload'));
session_save_path('redis://user:phpinfo-password@localhost');
check('it shows no password', !str_contains(section(), 'phpinfo-password'));
session_save_path(own_directory());

// Set for a directory or at start-up only.
$from = 'redis:tcp://127.0.0.1:6379?auth=phpinfo-password&prefix=shop';
$code = 'ob_start(); phpinfo(INFO_MODULES); say(ob_get_clean());';
$info = Process::run($code, ['cloakroom.migrate_from' => $from, 'cloakroom.migrate_to' => 'files:/old'])->hear();
matches('it tells where sessions are migrated from', '/cloakroom\.migrate_from => redis:.*127\.0\.0\.1:6379/', $info);
check('without the password', !str_contains($info, 'phpinfo-password'), $info);
matches('and where empty files are left', '~cloakroom\.migrate_to => files:/old => files:/old~', $info);
done();
--EXPECT--
9 claims hold
