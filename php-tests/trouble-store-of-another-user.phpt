--TEST--
A store file of another user is refused and untouched
--SKIPIF--
<?php fstat(tmpfile())['uid'] === 0 || die('skip only root can give a file to somebody else');
--FILE--
<?php
require __DIR__ . '/trouble.inc';
$directory = own_directory();
use_cloakroom($directory);

file_put_contents(store_file(), 'somebody else\'s');
chmod(store_file(), 0600);
chown(store_file(), 65534);
start_fails('foreign', $directory, '~cloakroom-0\.store belongs to user 65534~');
same('the file is untouched', 'somebody else\'s', file_get_contents(store_file()));
done();
--EXPECT--
5 claims hold
