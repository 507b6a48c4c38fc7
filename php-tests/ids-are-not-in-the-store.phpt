--TEST--
The store file holds no session id, only the payload, and nobody else may read it
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

put('id-to-look-for', ['x' => 'payload-to-look-for']);
start('');
$random = session_id();
session_write_close();
$content = file_get_contents(store_file());
check('the payload can be found', str_contains($content, 'payload-to-look-for'));
check('the ids cannot', !str_contains($content, 'id-to-look-for') && !str_contains($content, $random));
same('the file is for its owner alone', 0600, fileperms(store_file()) & 07777);
done();
--EXPECT--
3 claims hold
