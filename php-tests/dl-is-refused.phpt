--TEST--
dl() is refused with what to write instead: a save handler cannot be taken away at the end of a request
--SKIPIF--
<?php function_exists('dl') || die('skip this PHP has no dl()');
--FILE--
<?php
require __DIR__ . '/session.inc';

preg_match('~extension=([^"\' ]*)/(cloakroom\.so)~', getenv('TEST_PHP_EXTRA_ARGS'), $match) || exit('where is the extension?');
[, $directory, $library] = $match;
$code = 'echo "before\n"; dl(' . var_export($library, true) . ');';
$command = [PHP_BINARY, '-n', '-d', "extension_dir=$directory", '-d', 'display_errors=stderr', '-r', $code];
$process = proc_open($command, [['file', '/dev/null', 'r'], ['pipe', 'w'], ['pipe', 'w']], $pipes);
[$output, $errors] = [stream_get_contents($pipes[1]), stream_get_contents($pipes[2])];
$status = proc_close($process);
same('the script ran until then', "before\n", $output);
matches('the reason is said', '/dl\(\) cannot load this extension, because PHP\'s session module keeps/', $errors);
matches('and the remedy', '/write "extension=cloakroom" into php\.ini/', $errors);
same('PHP ends with an error, not by a signal', 255, $status);
no_faults($errors);
done();
--EXPECT--
4 claims hold
