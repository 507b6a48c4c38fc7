--TEST--
Stray words in the header of the store's file and in an owner slot are no outage: who uses the store goes on, and nothing is lost
--FILE--
<?php
require __DIR__ . '/process.inc';

/** The 32-bit words of the store's file by their places, without those that are zero. */
function words_at(string $path, ?int $length = null): array
{
    $words = [];
    $bytes = file_get_contents($path, length: $length);
    // Most of the file is a hole.
    for ($at = 0; ($at += strspn($bytes, "\0", $at)) < strlen($bytes); $at = ($at & ~3) + 4) {
        $words[$at & ~3] = unpack('V', $bytes, $at & ~3)[1];
    }

    return $words;
}

function write_word(int $at, int $value): void
{
    $file = fopen(store_file(), 'r+');
    fseek($file, $at);
    fwrite($file, pack('V', $value));
    fclose($file);
}

// Which word of the header says that a file was left for another one is learnt from one that was.
use_cloakroom(own_directory());
put('x', ['x' => 1]);
$path = store_file();
link($path, "$path.left");
$before = words_at($path, 4096);
unlink($path);
wait_until('the store has a new file', fn () => start('x', ['read_and_close' => true])[0] && is_file($path));
$left = array_filter(words_at("$path.left", 4096), fn (int $word, int $at) => !isset($before[$at]), ARRAY_FILTER_USE_BOTH);
same('one word says that a file was left', 1, count($left));
[$place, $says_left] = [key($left), reset($left)];

use_cloakroom(own_directory());
for ($i = 0; $i < 8; $i++) {
    put("s$i", ['n' => $i, 'filling' => str_repeat(chr(65 + $i), 5000)]);
}
$code = <<<'PHP'
    function request(): array
    {
        [$started, $warnings] = start('counter');
        $_SESSION['requests'] = ($_SESSION['requests'] ?? 0) + 1;
        [$written, $more] = with_warnings(session_write_close(...));
        $found = array_map(fn (int $i) => start("s$i", ['read_and_close' => true])[0] ? $_SESSION : null, range(0, 7));

        return [$started && $written, "$warnings$more", $found];
    }
PHP;
eval($code);
$other = Process::run("$code while (hear() === 'go on') { say(request()); }");
[$requests, $file] = [0, fileinode(store_file())];
/** Claims that this process, one that runs, and one that comes later work with the store as if nothing were the matter. */
$all_go_on = function (string $when) use ($code, $other, $file, &$requests): void {
    $data = array_map(fn (int $i) => ['n' => $i, 'filling' => str_repeat(chr(65 + $i), 5000)], range(0, 7));
    $other->tell('go on');
    $later = Process::run("$code say(request());");
    foreach (['this process' => request(), 'a running one' => $other->hear(), 'a later one' => $later->hear()] as $who => $result) {
        same("$when, $who reads and writes", true, $result[0]);
        // Who puts something right says so once.
        matches("$when, $who is warned of nothing else", '/^([^\n]*cloakroom-\d+\.store is damaged \([^\n]*)?$/', $result[1]);
        same("$when, $who finds every session", $data, $result[2]);
    }
    $later->wait();
    same("$when, no request was lost", ['requests' => $requests += 3], stored('counter'));
    same("$when, the file is the same", $file, fileinode(store_file()));
};
$all_go_on('Before');
foreach ([1, $says_left, 0xffff_ffff] as $value) {
    write_word($place, $value);
    $all_go_on("After $value in the header");
    start('s0');
    write_word($place, $value);
    same("A session that is open while the header says $value is written", [true, ''], with_warnings(session_write_close(...)));
    $all_go_on("After $value in the header during a request");
}

// Which words of an owner slot list what its thread holds is learnt from a thread that holds all that it may.
$hold = fn (int $count) => array_map(function (int $i): Cloakroom\SessionHandler {
    $handler = new Cloakroom\SessionHandler();
    $handler->open(session_save_path(), session_name());
    [$read, $warnings] = with_warnings(fn () => $handler->read("s$i"));
    same("session $i can be held: $warnings", true, $read !== false);

    return $handler;
}, range(0, $count - 1));
$before = words_at(store_file());
$held = $hold(8);
$appeared = array_diff_key(words_at(store_file()), $before);
$held = null;
$gone = array_diff_key($appeared, words_at(store_file()));
// Places are counted in 64 bytes, and a session begins with its lock.
$entries = array_filter($gone, fn (int $word) => isset($gone[$word * 64]));
same('an owner slot lists eight sessions', 8, count($entries));
foreach ([$entries, array_fill_keys(array_keys($entries), reset($entries)), array_combine(array_keys($entries), range(1, 8))] as $stray) {
    array_map(write_word(...), array_keys($stray), $stray);
    $all_go_on('With an owner slot that lists ' . implode(' ', $stray));
    $held = $hold(8);
    $held = null;
}
$other->tell('end');
same('the other process ends normally', 0, $other->wait());
done();
--EXPECT--
148 claims hold
