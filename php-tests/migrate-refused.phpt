--TEST--
What cannot be migrated is told, and neither lost nor begun anew; what has expired there is absent
--SKIPIF--
<?php
// Root can read any file.
fstat(tmpfile())['uid'] === 0 && die('skip root may do everything');
--FILE--
<?php
require __DIR__ . '/migrate.inc';
use_cloakroom(own_directory());
put('stays', ['x' => 1]);
$there = old_directory();
$from = "files:$there";

/** What becomes of the first use of a session, with strict mode on: started, warnings, and whether its id is kept. */
function first_use(string $from, string $id, array $ini = []): array
{
    $code = "\$started = start('$id'); say([...\$started, in_array(session_id(), ['', '$id'])]);";

    return said($from, $code, ['session.use_strict_mode' => '1'] + $ini);
}

$cases = [
    'unreadable' => ['/its file cannot be opened: Permission denied/', fn (string $file) => chmod($file, 0)],
    'link' => ['/there is a link|there is no regular file/', fn (string $file) => rename($file, "$file.target") && symlink("$file.target", $file)],
    'directory' => ['/there is no regular file/', fn (string $file) => unlink($file) && mkdir($file)],
    'compressed' => ['/is not in the format of session.serialize_handler: it is compressed, or/', fn (string $file) => file_put_contents($file, hex2bin('789caba8c9b432b4060008310204'))],
    'large' => ['/it holds 16777217 bytes, and Cloakroom stores at most 16777216/', fn (string $file) => file_put_contents($file, str_repeat('x', (16 << 20) + 1))],
];
foreach ($cases as $id => [$warning, $spoil]) {
    put_there($there, $id, ['n' => 1]);
    $file = "$there/sess_$id";
    $spoil($file);
    $before = [@lstat($file)['size'], @lstat($file)['mode']];
    [$started, $warnings, $kept] = first_use($from, $id);
    same("$id: session_start() fails, and nobody gets another id", [false, true], [$started, $kept]);
    matches("$id: it is told", $warning, $warnings);
    check("$id: without the id", !str_contains($warnings, "sess_$id"), $warnings);
    clearstatcache();
    same("$id: there it stays as it is", $before, [@lstat($file)['size'], @lstat($file)['mode']]);
    $other = said('', "say((new Cloakroom\\SessionHandler())->validateId('$id'));");
    same("$id: nothing was begun here", false, $other);
}

[$started, $warnings, $kept] = first_use('files:/nowhere', 'any');
same('no directory: session_start() fails, and nobody gets another id', [false, true], [$started, $kept]);
matches('it is told', '~the sessions of files:/nowhere cannot be read: the directory cannot be reached~', $warnings);
same('what is here is not concerned', ['x' => 1], said('files:/nowhere', 'start("stays"); say($_SESSION);'));

put_there($there, 'aged', ['n' => 1]);
touch("$there/sess_aged", time() - 100);
same('an expired session is absent', [true, '', false], first_use($from, 'aged', ['session.gc_maxlifetime' => '50']));
same('one that has not expired is not', [true, '', true], first_use($from, 'aged', ['session.gc_maxlifetime' => '1000']));

foreach (['/var/lib', 'files:relative', 'files:x;/tmp', 'unknown:tcp://h?auth=hunter2'] as $wrong) {
    $process = Process::run('say(ini_get("cloakroom.migrate_from"));', ['cloakroom.migrate_from' => $wrong]);
    same("$wrong is refused", '', $process->hear());
    $process->wait();
    check("$wrong: with a reason, without the value", str_contains($process->complaints(), 'cloakroom.migrate_from: ')
        && !str_contains($process->complaints(), 'hunter2'), $process->complaints());
}
done();
--EXPECT--
38 claims hold
