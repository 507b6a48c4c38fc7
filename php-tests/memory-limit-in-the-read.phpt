--TEST--
A session whose payload alone is larger than memory_limit stays as it is, and its lock becomes free
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
ini_set('memory_limit', '256M');

$large = ['x' => str_repeat('payload ', 1_500_000), 'y' => 1];
put('large', $large);
// Where the read ends by a jump, PHP keeps the session active, empty, and stores it when it ends. Where the fatal error
// comes later, or ends the process, the session must stay as well.
foreach (['2M', '4M', '7M', '9M', '11M'] as $limit) {
    foreach (['' => 'by PHP', 'register_shutdown_function(session_write_close(...));' => 'by the script'] as $end => $who) {
        $small = Process::run("$end start('large'); \$_SESSION['y'] = 2;", ['memory_limit' => $limit]);
        check("$limit, stored $who: the script does not end normally", $small->wait() !== 0);
        matches("$limit, stored $who: memory was the reason", '/Allowed memory size|memory limit/', $small->complaints());
        check("$limit, stored $who: the session is free and whole", found_free('large') === $large);
    }
}
$enough = Process::run('say(start("large")); $_SESSION["y"] = 2;');
same('with enough memory it can be used', [[true, ''], 0], [$enough->hear(), $enough->wait()]);
same('and written', 2, stored('large')['y']);
done();
--EXPECT--
32 claims hold
