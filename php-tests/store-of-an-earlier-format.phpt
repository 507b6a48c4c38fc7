--TEST--
The sessions in a store file of the format before this one go on, and what was done is told once
--FILE--
<?php
require __DIR__ . '/process.inc';
$directory = own_directory();
use_cloakroom($directory);

/** Writes the file that a text describes, see crates/store/tests/format_2/make.rs. */
function lay_out(string $text, string $path): void
{
    touch($path);
    chmod($path, 0600);
    $file = fopen($path, 'r+');
    [$at, $line, $repeated] = [0, '', false];
    foreach (file($text, FILE_IGNORE_NEW_LINES) as $row) {
        $words = explode(' ', $row);
        if ($row === '*') {
            $repeated = true;
        } elseif ($words[0] === 'length') {
            ftruncate($file, hexdec($words[1]));
        } elseif (preg_match('~^[0-9a-f]+\z~', $words[0])) {
            $place = hexdec($words[0]);
            fseek($file, $at);
            fwrite($file, $repeated ? str_repeat($line, intdiv($place - $at, 16)) : '');
            $line = hex2bin($words[1]);
            fseek($file, $place);
            fwrite($file, $line);
            [$at, $repeated] = [$place + 16, false];
        }
    }
}

lay_out(__DIR__ . '/../format-2.txt', store_file());
$old = file_get_contents(store_file());
$id = '0123456789abcdef0123456789abcdef';
ini_set('session.use_strict_mode', '1');
[$started, $warnings] = start($id);
check('it starts', $started);
same('under its own id, which strict mode knows', $id, session_id());
same('with its data', ['name' => 'Ada Admin', 'visits' => 41], $_SESSION);
matches('what was done is told', '~format 2.*sessions were brought over.*\.format-2-e6ef42b0~', $warnings);
$_SESSION['visits']++;
session_write_close();
$other = Process::run(<<<'PHP'
    [, $warnings] = start('0123456789abcdef0123456789abcdef');
    say([$_SESSION, $warnings]);
PHP);
same('another process goes on with it and is told nothing', [['name' => 'Ada Admin', 'visits' => 42], ''], $other->hear());
check('the old file is kept as it was', file_get_contents(store_file() . '.format-2-e6ef42b0') === $old);
same('and nothing else', 2, count(array_diff(scandir($directory), ['.', '..'])));
done();
--EXPECT--
7 claims hold
