--TEST--
Sessions of different namespaces never meet
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$life = <<<'PHP'
    start('same-id');
    say($_SESSION);
    $_SESSION['from'] = ini_get('cloakroom.namespace');
    session_write_close();
    say('written');
    hear();
    say(stored('same-id'));
    start('same-id');
    hear();
    session_destroy();
    say('destroyed');
PHP;
$processes = [];
foreach (['', 'shop', 'blog'] as $namespace) {
    $processes[$namespace] = Process::run($life, ['cloakroom.namespace' => $namespace]);
    same("\"$namespace\" begins with an empty session", [], $processes[$namespace]->hear());
    $processes[$namespace]->hear();
}
foreach ($processes as $namespace => $process) {
    $process->tell('read');
    same("\"$namespace\" finds its own data", ['from' => $namespace], $process->hear());
}
// Each process now holds its session's lock, and did not wait for the others.
$processes['shop']->tell('destroy');
same('one destroys its session', 'destroyed', $processes['shop']->hear());
same('the session without a namespace is left', ['from' => ''], stored('same-id'));
$reader = Process::run('say(stored("same-id"));', ['cloakroom.namespace' => 'blog']);
same('and so is the other one', ['from' => 'blog'], $reader->hear());
done();
--EXPECT--
9 claims hold
