<?php
// What is served: a session of about 1 KB in which every request changes one key.
session_start();
$_SESSION['n'] = ($_SESSION['n'] ?? 0) + 1;
$_SESSION['filling'] ??= str_repeat(hash('sha512', 'payload'), 8);
header('Content-Type: text/plain');
echo $_SESSION['n'];
