--TEST--
All permitted characters and lengths of ids work, and similar ids do not meet
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

$ids = [
    'a',
    'A',
    '0',
    '-',
    ',',
    'a,b-c',
    implode([...range('a', 'z'), ...range('A', 'Z'), ...range('0', '9'), '-', ',']),
    str_repeat('a', 255),
    str_repeat('a', 256),
    str_repeat('a', 255) . 'b',
];
foreach ($ids as $number => $id) {
    put($id, ['number' => $number]);
}
same('each has its own data', array_keys($ids), array_map(fn (string $id) => stored($id)['number'], $ids));

same('an empty id is replaced', [true, ''], start(''));
matches('by a new one', '/^[0-9a-v]{32}$/', session_id());
session_abort();
same('an id that begins with a NUL counts as empty', [true, ''], start("\0abc"));
matches('and is replaced as well', '/^[0-9a-v]{32}$/', session_id());
session_abort();
same('an id with a line break is dropped by PHP itself', false, in_array("a\r\nb", [start("a\r\nb"), session_id()], true));
session_abort();
done();
--EXPECT--
6 claims hold
