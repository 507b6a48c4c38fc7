--TEST--
Processes whose store file is deleted meet again on a new one, with a warning
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('before', ['x' => 1]);
$other = Process::run(<<<'PHP'
    say(stored('before'));
    while (hear() === 'go on') {
        [, $warnings] = start('meeting');
        $_SESSION['other'] = true;
        session_write_close();
        say([$warnings]);
    }
PHP);
same('two processes use the store', ['x' => 1], $other->hear());
unlink(store_file());

$warned = ['this' => '', 'other' => ''];
wait_until('both processes were warned', function () use ($other, &$warned): bool {
    [, $warnings] = start('meeting');
    $warned['this'] .= $warnings;
    $_SESSION['this'] = true;
    session_write_close();
    $other->tell('go on');
    [$warnings] = $other->hear();
    $warned['other'] .= $warnings;

    return $warned['this'] !== '' && $warned['other'] !== '';
});
foreach ($warned as $process => $warnings) {
    matches("$process process was warned once", '~^[^\n]*cloakroom-\d+\.store was deleted while in use[^\n]*$~', $warnings);
}
$data = stored('meeting');
ksort($data);
same('what was stored before is still there', ['x' => 1], stored('before'));
same('both are on one store again', ['other' => true, 'this' => true], $data);
check('which is where the old one was', is_file(store_file()));
$other->tell('end');
same('the other process ends normally', 0, $other->wait());
done();
--EXPECT--
7 claims hold
