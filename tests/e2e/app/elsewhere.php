<?php
/*
 * Starts a session in another save_path: the directory ?where= beside the served files.
 */
declare(strict_types=1);

require __DIR__ . '/answer.php';

ini_set('session.save_path', dirname(__DIR__, 3) . '/' . basename($_GET['where']));
$started = session_start();
$_SESSION['count'] = 1;
$closed = session_write_close();
answer(['started' => $started, 'went_on' => true]);
