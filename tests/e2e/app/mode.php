<?php
/*
 * Starts the session without waiting, and answers in which lock mode.
 *
 *   ?set=MODE      asks for another mode by ini_set()
 *   ?option=MODE   asks for another mode by an option of session_start()
 */
declare(strict_types=1);

require __DIR__ . '/answer.php';

ini_set('cloakroom.lock_wait', '0');
$set = isset($_GET['set']) ? ini_set('cloakroom.lock', $_GET['set']) !== false : null;
$started = session_start(isset($_GET['option']) ? ['cloakroom_lock' => $_GET['option']] : []);
answer(['started' => $started, 'mode' => ini_get('cloakroom.lock'), 'set' => $set, 'option' => ini_get('session.cloakroom_lock')]);
