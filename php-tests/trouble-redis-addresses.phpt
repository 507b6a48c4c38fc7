--TEST--
Addresses of Redis and Valkey servers that are wrong, or where nobody answers, are told without a password in the message
--FILE--
<?php
require __DIR__ . '/trouble.inc';
use_cloakroom(own_directory());

$nobody = own_directory() . '/socket';
foreach (['redis+unix', 'valkey+unix'] as $scheme) {
    start_fails($scheme, "$scheme://$nobody", '~cannot be reached.*session\.save_path~s');
}
foreach (['redis', 'valkey', 'redis-cluster', 'redis-sentinel', 'rediss'] as $scheme) {
    $service = $scheme === 'redis-sentinel' ? '/main' : '';
    start_fails($scheme, "$scheme://127.0.0.1:1$service", '~cannot be reached~s');
}
start_fails('a wrong option', 'redis://127.0.0.1?color=blue', '~character \d+ of the address~');
foreach (["redis+unix://user:open-sesame@$nobody", 'redis://user:open-sesame@127.0.0.1:0'] as $secret) {
    session_save_path($secret);
    [, $warnings] = start('in-trouble');
    $own = implode(preg_grep('/path: /', explode("\n", $warnings), PREG_GREP_INVERT));
    // PHP itself adds the path to its own warning.
    check('the handler\'s own warning does not show the password', $own !== '' && !str_contains($own, 'open-sesame'));
}
start_fails('an unknown scheme', 'tcp://127.0.0.1:11211', '~scheme~');
done();
--EXPECT--
38 claims hold
