--TEST--
Session ids follow session.sid_length and session.sid_bits_per_character
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());
// PHP 8.4 calls the shape of ids deprecated, and still obeys it.
error_reporting(E_ALL & ~E_DEPRECATED);

$alphabets = [4 => '0-9a-f', 5 => '0-9a-v', 6 => '0-9a-zA-Z,-'];
foreach ([22, 32, 63, 256] as $length) {
    foreach ($alphabets as $bits => $characters) {
        ini_set('session.sid_length', (string) $length);
        ini_set('session.sid_bits_per_character', (string) $bits);
        start('');
        $ids = [session_id()];
        session_abort();
        while (count($ids) < 100) {
            $ids[] = session_create_id();
        }
        same("$length characters of $bits bits", [], preg_grep("/^[$characters]{{$length}}$/", $ids, PREG_GREP_INVERT));
        same("all characters of $bits bits are used", 2 ** $bits, count(array_unique(str_split(implode($ids)))));
    }
}
done();
--EXPECT--
24 claims hold
