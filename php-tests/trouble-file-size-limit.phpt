--TEST--
Limits of a process on the size of files and on address space end no process and no session: a warning names the limit
--SKIPIF--
<?php function_exists('posix_setrlimit') || die('skip this PHP cannot set limits');
--INI--
cloakroom.size=64M
--FILE--
<?php
require __DIR__ . '/process.inc';
require __DIR__ . '/full_store.inc';
use_cloakroom(own_directory());

// Sessions that came back twice are not evicted for others.
$uses = array_map(fn (int $use) => use_session('before', ['filling' => filling(-1, 200_000)]), range(1, 3));
same('sessions are stored without a limit', ['', '', ''], $uses);

// The system ends whoever makes a file longer than it may with a signal.
$limited = Process::run(<<<'PHP'
    require hear();
    posix_setrlimit(POSIX_RLIMIT_FSIZE, filesize(store_file()) + (2 << 20), POSIX_RLIMIT_INFINITY);
    for ($number = 0, $warnings = ''; $number < 200 && $warnings === ''; $number++) {
        foreach ([['uses' => 1], ['uses' => 2], ['filling' => filling($number, 100_000)]] as $data) {
            $warnings .= use_session("s$number", $data);
        }
    }
    $refused = $number - 1;
    say([$refused, $warnings]);
    say([array_map(fn (int $number) => content("s$number"), range(0, $refused - 1)), content("s$refused"), content('before')]);
    say([use_session('before', ['filling' => 'short']), content('before')]);
PHP);
$limited->tell(__DIR__ . '/full_store.inc');
[$refused, $warnings] = $limited->hear();
check('the limit is met at some time', $refused >= 5, "after $refused sessions");
matches(
    'the warning tells what cannot be done, which limit is met, and how it is raised',
    '~^session_write_close\(\): .*cloakroom-\d+\.store\b.* cannot grow .*no file longer than \d+ .*LimitFSIZE=.*ulimit -f\W*$~m',
    $warnings,
);
[$found, $of_the_refused, $of_before] = $limited->hear();
$whole = array_map(fn (int $number) => ['filling' => filling($number, 100_000)], range(0, $refused - 1));
same('all that was stored is whole for the limited process', $whole, $found);
same('the session that did not fit keeps what it had', ['uses' => 2], $of_the_refused);
same('sessions that were there before are whole', ['filling' => filling(-1, 200_000)], $of_before);
same('and can be written', ['', ['filling' => 'short']], $limited->hear());
same('the limited process ends normally', 0, $limited->wait());

same('all is there for another process', $whole, array_map(fn (int $number) => content("s$number"), range(0, $refused - 1)));
same('which has no limit and can go on', '', use_session("s$refused", ['filling' => filling($refused, 100_000)]));
same('with the session that did not fit', ['filling' => filling($refused, 100_000)], content("s$refused"));

// A store that cannot even be made.
$limited = Process::run(<<<'PHP'
    session_save_path(hear());
    posix_setrlimit(POSIX_RLIMIT_FSIZE, 1 << 20, POSIX_RLIMIT_INFINITY);
    say(start('new'));
    posix_setrlimit(POSIX_RLIMIT_FSIZE, POSIX_RLIMIT_INFINITY, POSIX_RLIMIT_INFINITY);
    put('new', ['x' => 1]);
    say(stored('new'));
PHP);
$limited->tell(second_place());
[$started, $warnings] = $limited->hear();
same('a store that needs more than the limit cannot be made', false, $started);
matches('a warning tells why, and how the limit is raised', '~none of more than 1048576; .*LimitFSIZE=.*ulimit -f~', $warnings);
same('what is left of the attempt is not in the way later', ['x' => 1], $limited->hear());
same('this process, too, ends normally', 0, $limited->wait());

// A store is mapped at once in the size that it may have.
$limited = Process::run(<<<'PHP'
    $pages = (int) file_get_contents('/proc/self/statm');
    posix_setrlimit(POSIX_RLIMIT_AS, $pages * 4096 + (512 << 20), POSIX_RLIMIT_INFINITY);
    say(start('before'));
    posix_setrlimit(POSIX_RLIMIT_AS, POSIX_RLIMIT_INFINITY, POSIX_RLIMIT_INFINITY);
    say(stored('before'));
PHP, ['cloakroom.size' => '2G']);
[$started, $warnings] = $limited->hear();
same('a store that is larger than the address space is not attached', false, $started);
matches(
    'a warning tells what to do',
    '~cloakroom-\d+\.store.* \d+ MiB are to be mapped .* may have \d+ MiB of address space; .*LimitAS=.*ulimit -v.*cloakroom\.size~',
    $warnings,
);
same('without the limit the sessions are there', ['filling' => 'short'], $limited->hear());
same('and this process ends normally', 0, $limited->wait());
done();
--EXPECT--
19 claims hold
