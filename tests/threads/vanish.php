<?php
/*
 * Threads that end inside a session, without the end of a request: the next one of the lane gets the session, with what was stored
 * before, without waiting long.
 */
require __DIR__ . '/thread.inc';

ini_set('cloakroom.lock_wait', '5');
open_session("lost-$lane");
claim('the session is as it was stored', $_SESSION === ($thread === 0 ? [] : ['thread' => $thread - 1]), $_SESSION);
$_SESSION['thread'] = $thread;
session_write_close();
open_session("lost-$lane");
$_SESSION['thread'] = 'never stored';
vanish();
