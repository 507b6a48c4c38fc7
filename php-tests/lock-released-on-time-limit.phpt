--TEST--
A script ended by its time limit stores its session and frees the lock, in the middle of decoding it changes nothing
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

put('slow', ['x' => 'old']);
$slow = Process::run(<<<'PHP'
    start('slow');
    $_SESSION['x'] = 'new';
    set_time_limit(1);
    while (true) {
    }
PHP);
same('the script ends with PHP\'s code for errors', 255, $slow->wait());
matches('by the time limit', '/Maximum execution time/', $slow->complaints());
same('the session is free and stored', ['x' => 'new'], found_free('slow'));

final class Slow
{
    public string $content = 'kept';
}
put('slow', ['object' => new Slow(), 'x' => 'kept']);
$slow = Process::run(<<<'PHP'
    final class Slow
    {
        public string $content = 'not decoded';

        public function __wakeup(): void
        {
            while (true) {
            }
        }
    }
    set_time_limit(1);
    start('slow');
PHP);
same('decoding ends with PHP\'s code for errors', 255, $slow->wait());
matches('by the time limit as well', '/Maximum execution time/', $slow->complaints());
check('the session is free', is_array(found_free('slow')));
$found = stored('slow');
same('and whole', ['kept', 'kept'], [$found['object']->content, $found['x']]);
done();
--EXPECT--
7 claims hold
