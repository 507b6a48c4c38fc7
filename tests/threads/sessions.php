<?php
/*
 * Threads, one a lane, with sessions of their own and one that all share, at the same time. No increment is lost, nobody finds what
 * is another's, and at most one thread is inside the shared session.
 */
require __DIR__ . '/thread.inc';

open_session("own-$lane");
claim('the own session counts its requests', ($_SESSION['count'] ?? 0) === $request, $_SESSION);
claim('the own session is the own one', ($_SESSION['lane'] ?? $lane) === $lane, $_SESSION);
$_SESSION = ['lane' => $lane, 'count' => $request + 1, 'filling' => str_repeat((string) ($lane % 10), $request * 37)];
session_write_close();

open_session('shared');
$inside = mark('inside');
claim('nobody else is inside the shared session', @mkdir($inside));
$_SESSION['count'] = ($_SESSION['count'] ?? 0) + 1;
$_SESSION["lane $lane"] = ($_SESSION["lane $lane"] ?? 0) + 1;
claim('it keeps what this thread wrote', $_SESSION["lane $lane"] === $request + 1, $_SESSION);
rmdir($inside);
session_write_close();

open_session("own-$lane", ['read_and_close' => true]);
claim('the own session has what was written', $_SESSION['count'] === $request + 1, $_SESSION);
claim('and all of it', strlen($_SESSION['filling']) === $request * 37 && trim($_SESSION['filling'], (string) ($lane % 10)) === '');

// Born, renamed, destroyed, all within one request and beside the same of other threads.
open_session("born-$lane-$request");
claim('a new session is empty', $_SESSION === [], $_SESSION);
$_SESSION['born'] = [$lane, $request];
claim('it gets another id', session_regenerate_id($request % 2 === 0));
claim('which is another', session_id() !== "born-$lane-$request");
$id = session_id();
session_write_close();
open_session($id);
claim('its data went along', $_SESSION === ['born' => [$lane, $request]], $_SESSION);
claim('it can be destroyed', session_destroy());
open_session($id, ['read_and_close' => true]);
claim('a destroyed session is empty', $_SESSION === [], $_SESSION);

// Every third request leaves a session to the end of the request.
if ($request % 3 === 0) {
    open_session("left-$lane");
    $_SESSION['request'] = $request;
}
