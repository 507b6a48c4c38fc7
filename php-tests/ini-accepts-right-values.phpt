--TEST--
Right values of directives are accepted while scripts run
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

$right = [
    'cloakroom.lock' => ['none', 'exclusive'],
    'cloakroom.lock_wait' => ['0', '86400', '5'],
    'cloakroom.lock_ttl' => ['1', '3600'],
    'cloakroom.max_waiters' => ['4294967295', '0'],
    'cloakroom.grace' => ['0', '3600'],
    'cloakroom.tombstone' => ['0', '31536000'],
];
foreach ($right as $name => $values) {
    foreach ($values as $value) {
        same("$name = $value", [$value, ''], with_warnings(function () use ($name, $value): string {
            ini_set($name, $value);
            put('right', [$name => $value]);

            return ini_get($name);
        }));
    }
}
same('cloakroom.size is for php.ini only', false, ini_set('cloakroom.size', '64M'));
same('cloakroom.namespace as well', false, ini_set('cloakroom.namespace', 'mine'));
same('and cloakroom.user', false, ini_set('cloakroom.user', 'mine'));
done();
--EXPECT--
16 claims hold
