--TEST--
A process with a smaller cloakroom.size shrinks no store that others use: the largest size counts while its process runs
--INI--
cloakroom.size=64M
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$capacity = fn (): int => Cloakroom\status()['capacity'];
put('here', ['x' => 1]);
same('the size of this process', 64 << 20, $capacity());

$cron = 'put("there", ["x" => 2]); say([Cloakroom\status()["capacity"], Cloakroom\doctor()]); hear();';
$smaller = Process::run($cron, ['cloakroom.size' => '8M']);
[$seen, $findings] = $smaller->hear();
same('a process that asks for less finds it', 64 << 20, $seen);
matches('its doctor tells', '/takes up to 64[^,]*, while cloakroom\.size says 8[^ ]* \w+ here/', implode("\n", array_column($findings, 'found')));
same('and leaves it', 64 << 20, $capacity());
for ($i = 0; $i < 200; $i++) {
    put("s$i", ['filling' => str_repeat('x', 100_000)]);
}
same('sessions beyond the smaller size are stored', 100_000, strlen(stored('s199')['filling'] ?? ''));
$smaller->tell();
$smaller->wait();

$larger = Process::run($cron, ['cloakroom.size' => '128M']);
[$seen] = $larger->hear();
same('a process that asks for more gets it', 128 << 20, $seen);
same('as long as it runs, for all', 128 << 20, $capacity());
$larger->tell();
$larger->wait();
wait_until('the size is as before when it has gone', function () use ($capacity): bool {
    stored('here');

    return $capacity() === 64 << 20;
});
done();
--EXPECT--
7 claims hold
