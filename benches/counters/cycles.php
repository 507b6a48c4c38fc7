<?php
/*
 * So many cycles of 100 sessions of 1 KB, for a tool that counts instructions: two runs of different length differ by
 * the cycles alone.
 */
for ($i = 0; $i < 100; $i++) {
    session_id("s$i");
    session_start();
    $_SESSION['filling'] = str_repeat('x', 1000);
    $_SESSION['n'] = 0;
    session_write_close();
}
for ($i = 0; $i < (int) $argv[1]; $i++) {
    session_id('s' . $i % 100);
    session_start();
    $_SESSION['n']++;
    session_write_close();
}
