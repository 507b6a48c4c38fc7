--TEST--
The directives have the documented defaults and can be changed where documented
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

$expected = [
    'cloakroom.grace' => ['10', INI_ALL],
    'cloakroom.lock' => ['exclusive', INI_ALL],
    'cloakroom.lock_ttl' => ['10', INI_ALL],
    'cloakroom.lock_wait' => ['30', INI_ALL],
    'cloakroom.max_waiters' => ['0', INI_ALL],
    'cloakroom.migrate_from' => ['', INI_PERDIR | INI_SYSTEM],
    'cloakroom.migrate_to' => ['', INI_PERDIR | INI_SYSTEM],
    'cloakroom.namespace' => ['', INI_PERDIR | INI_SYSTEM],
    'cloakroom.size' => ['1G', INI_SYSTEM],
    'cloakroom.tombstone' => ['3600', INI_ALL],
    'cloakroom.user' => ['', INI_PERDIR | INI_SYSTEM],
];
$found = array_intersect_key(ini_get_all('cloakroom'), $expected);
ksort($found);
same('all are there', array_keys($expected), array_keys($found));
foreach ($expected as $name => [$default, $access]) {
    same($name, [$default, $access], [(string) $found[$name]['global_value'], $found[$name]['access']]);
}
done();
--EXPECT--
12 claims hold
