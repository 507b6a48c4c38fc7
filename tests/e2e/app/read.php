<?php
/*
 * Reads the session's counter without keeping the session.
 */
declare(strict_types=1);

require __DIR__ . '/answer.php';

$started = session_start(['read_and_close' => true]);
answer(['started' => $started, 'count' => $_SESSION['count'] ?? null]);
