--TEST--
A jump out of any allocation of the handler, as at memory_limit, leaves the session whole and its lock free
--SKIPIF--
<?php function_exists('Cloakroom\fault') || die('skip this build cannot fail on purpose: make mutants makes one that can');
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$lives = [
    'start' => 'start("visitor"); $_SESSION["n"] = 1;',
    'reset' => 'start("visitor"); $_SESSION["n"] = 1; session_reset();',
    'regenerate' => 'start("visitor"); session_regenerate_id(true);',
    'read' => 'session_id("visitor"); session_start(["read_and_close" => true]);',
    'begin' => 'session_start();',
];
// PHP keeps such a session active, empty, and stores it when it ends.
$ends = ['the end of the script' => '', 'a shutdown function' => 'register_shutdown_function(session_write_close(...));'];
foreach ($lives as $life => $code) {
    foreach ($ends as $how => $end) {
        $trouble = [];
        for ($after = 0; $after < 10; $after++) {
            put('visitor', ['n' => 0]);
            $process = Process::run(<<<PHP
                $end
                Cloakroom\\fault('bailout', $after);
                $code
                Cloakroom\\fault('none', 0);
                touch(__DIR__ . '/lived');
            PHP);
            $process->wait();
            if ($process->file('lived') !== null) {
                break;
            }
            $found = found_free('visitor');
            // A session that was destroyed before its new id was made is gone, as the script wanted.
            if ($found !== ['n' => 0] && !($life === 'regenerate' && $found === [])) {
                $trouble[] = "allocation $after leaves " . shown($found);
            }
        }
        same("$life, stored by $how: what follows from a jump", [], $trouble);
        check("$life, stored by $how: there were allocations to jump out of", $after > 0 && $after < 10);
    }
}
done();
--EXPECT--
20 claims hold
