--TEST--
Addresses of Redis and Valkey servers are refused by name, without a password in the message
--FILE--
<?php
require __DIR__ . '/trouble.inc';
use_cloakroom(own_directory());

foreach (['redis', 'rediss', 'valkey', 'valkeys', 'redis+unix', 'redis-cluster', 'redis-sentinel'] as $scheme) {
    start_fails($scheme, "$scheme://127.0.0.1:1/0", '~Redis or Valkey address.*directory~s');
}
session_save_path('redis://user:open-sesame@127.0.0.1:1');
[, $warnings] = start('in-trouble');
$own = implode(preg_grep('/path: /', explode("\n", $warnings), PREG_GREP_INVERT));
// PHP itself adds the path to its own warning.
check('the handler\'s own warning does not show the password', $own !== '' && !str_contains($own, 'open-sesame'));
start_fails('an unknown scheme', 'tcp://127.0.0.1:11211', '~scheme~');
done();
--EXPECT--
33 claims hold
