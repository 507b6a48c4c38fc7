--TEST--
Objects that call session functions while they are encoded or decoded neither damage nor lock a session
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());
put('bystander', ['x' => 'untouched']);

$calls = [
    'session_write_close()',
    'session_abort()',
    'session_reset()',
    'session_regenerate_id(false)',
    'session_start()',
    'session_id("bystander")',
    'session_decode("x|i:5;")',
    'session_encode()',
    'session_gc()',
    'Cloakroom\status()',
];
foreach (['__serialize' => 'array', '__unserialize' => 'void'] as $method => $type) {
    foreach ($calls as $call) {
        put('outer', ['x' => 'old']);
        $arguments = $type === 'void' ? 'array $data' : '';
        $answer = $type === 'void' ? '' : 'return ["data" => 1];';
        $process = Process::run(<<<PHP
            final class Busy
            {
                public static bool \$quiet = true;
                public function $method($arguments): $type
                {
                    if (!self::\$quiet) {
                        self::\$quiet = true;
                        @$call;
                    }
                    $answer
                }
            }
            start('outer');
            \$_SESSION = ['object' => new Busy(), 'x' => 'new'];
            Busy::\$quiet = '$method' !== '__serialize';
            @session_write_close();
            @session_abort();
            Busy::\$quiet = '$method' !== '__unserialize';
            @start('outer');
            @session_abort();
            say('done');
            hear();
            // A handler that got into disorder would fail now.
            put('after', ['call' => '$call']);
            say(stored('after'));
        PHP);
        same("$call in $method: the process goes on", 'done', $process->hear());
        ini_set('cloakroom.lock_wait', '0');
        [$started, $warnings] = start('outer');
        same("$call in $method: the session is free", [true, ''], [$started, $warnings]);
        check("$call in $method: it holds what one of both stored", in_array($_SESSION['x'] ?? null, ['old', 'new', 5], true), fn () => shown($_SESSION));
        session_abort();
        $process->tell('go on');
        same("$call in $method: another session works", ['call' => $call], $process->hear());
        same("$call in $method: the process ends normally", 0, $process->wait());
    }
}
same('another session is untouched', ['x' => 'untouched'], stored('bystander'));
done();
--EXPECT--
101 claims hold
