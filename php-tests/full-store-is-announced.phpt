--TEST--
A store that fills up warns before it is full
--INI--
cloakroom.size=8M
--FILE--
<?php
require __DIR__ . '/session.inc';
use_cloakroom(own_directory());

$warning = '';
for ($number = 0; $number < 100 && $warning === ''; $number++) {
    [$started, $warning] = start("s$number");
    $_SESSION['filling'] = str_repeat('x', 50_000);
    [, $more] = with_warnings(session_write_close(...));
    $warning .= $more;
}
same('the session that meets the warning is started', true, $started);
matches('it tells how full the store is and what to do', '~cloakroom-\d+\.store has taken \d+ % of the 8 MiB.*cloakroom\.size~', $warning);
same('the session is stored all the same', ['filling' => str_repeat('x', 50_000)], stored('s' . $number - 1));
done();
--EXPECT--
3 claims hold
