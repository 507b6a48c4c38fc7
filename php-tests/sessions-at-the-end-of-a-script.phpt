--TEST--
Sessions that are closed or started in shutdown functions and destructors are stored and free
--FILE--
<?php
require __DIR__ . '/process.inc';
use_cloakroom(own_directory());

$ends = [
    'closed in a shutdown function' => 'register_shutdown_function(session_write_close(...)); start("late"); $_SESSION["x"] = "new";',
    'closed in a destructor' => '$closing = new class { public function __destruct() { session_write_close(); } }; start("late"); $_SESSION["x"] = "new";',
    'changed in a destructor' => '$changing = new class { public function __destruct() { $_SESSION["x"] = "new"; } }; start("late");',
    'closed by an object in the session' => 'final class Closing { public function __destruct() { @session_write_close(); } } start("late"); $_SESSION = ["x" => "new"]; $other = new Closing();',
    'started in a shutdown function' => 'register_shutdown_function(function () { start("late"); $_SESSION["x"] = "new"; });',
    'started and closed in a shutdown function' => 'register_shutdown_function(function () { put("late", ["x" => "new"]); });',
    'started in a destructor' => '$starting = new class { public function __destruct() { start("late"); $_SESSION["x"] = "new"; } };',
    'started after another one' => 'start("early"); $_SESSION["x"] = "new"; register_shutdown_function(function () { session_write_close(); start("late"); $_SESSION["x"] = "new"; });',
    'started in a shutdown function after a fatal error' => 'register_shutdown_function(function () { start("late"); $_SESSION["x"] = "new"; }); ini_set("memory_limit", "8M"); $x = str_repeat("x", 12_000_000);',
    'started in a shutdown function after an exception' => 'register_shutdown_function(function () { start("late"); $_SESSION["x"] = "new"; }); throw new LogicException();',
    'started in an output callback' => 'ob_start(function (string $output) { static $once = 0; $once++ || put("late", ["x" => "new"]); return ""; });',
    'left open by exit in a shutdown function' => 'register_shutdown_function(function () { start("late"); $_SESSION["x"] = "new"; exit(0); });',
];
foreach ($ends as $what => $code) {
    put('late', ['x' => 'old']);
    put('early', ['x' => 'old']);
    $process = Process::run($code);
    $status = $process->wait();
    same("$what: the script's status", str_contains($what, 'after a') && !str_contains($what, 'another') ? 255 : 0, $status);
    same("$what: the session is stored and free", ['x' => 'new'], found_free('late'));
    same("$what: another session of it is free", ['x' => str_contains($what, 'another') ? 'new' : 'old'], found_free('early'));
}
done();
--EXPECT--
36 claims hold
