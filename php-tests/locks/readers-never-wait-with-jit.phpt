--TEST--
read_and_close does not wait where opcache compiled the call, by the function and by the tracing JIT
--SKIPIF--
<?php is_file(ini_get('extension_dir') . '/opcache.so') || die('skip opcache is not installed');
--FILE--
<?php
require __DIR__ . '/../process.inc';
use_cloakroom(own_directory());
put('held', ['x' => 'stored']);
$holder = Process::run('say(start("held")); hear();');
same('a process holds the session', [true, ''], $holder->hear());

$hot = <<<'PHP'
    ini_set('cloakroom.lock_wait', '0');
    function read(array $options): bool
    {
        return session_start($options);
    }
    session_id('held');
    $at_once = 0;
    for ($i = 0; $i < 2000; $i++) {
        $at_once += session_start(['read_and_close' => true]) && $_SESSION === ['x' => 'stored'] ? 1 : 0;
        $at_once += session_start(options: ['read_and_close' => $i + 1]) ? 1 : 0;
        $at_once += read(['read_and_close' => true]) ? 1 : 0;
    }
    $waits = 0;
    for ($i = 0; $i < 200; $i++) {
        session_id('held');
        $waits += @read(['read_and_close' => false]) ? 0 : 1;
    }
    $jit = opcache_get_status()['jit'];
    say([$at_once, $waits, $jit['on'], $jit['buffer_free'] < $jit['buffer_size'] - 1000]);
PHP;
foreach (['tracing', 'function'] as $jit) {
    $process = Process::run($hot, [
        'zend_extension' => 'opcache',
        'opcache.enable_cli' => '1',
        'opcache.jit' => $jit,
        'opcache.jit_buffer_size' => '32M',
        'opcache.jit_hot_loop' => '8',
        'opcache.jit_hot_func' => '8',
    ]);
    same("$jit: all reads are done at once, all other starts wait, and the code was compiled", [6000, 200, true, true], $process->hear());
    same("$jit: the process ends well", 0, $process->wait());
}
done();
--EXPECT--
5 claims hold
