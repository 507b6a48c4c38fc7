<?php
/*
 * A visitor of a site that nginx serves on a Unix socket: sends one request, keeps the cookie in a file, prints the page.
 *
 *     php -n visitor.php SOCKET COOKIE-FILE PATH
 */
declare(strict_types=1);

[, $socket, $jar, $path] = $argv;
$stream = stream_socket_client("unix://$socket", $code, $message, 10) ?: exit("cannot connect: $message\n");
stream_set_timeout($stream, 20);
$cookie = is_file($jar) ? 'Cookie: ' . file_get_contents($jar) . "\r\n" : '';
fwrite($stream, "GET $path HTTP/1.0\r\nHost: localhost\r\n$cookie\r\n");
[$head, $body] = explode("\r\n\r\n", stream_get_contents($stream), 2) + ['', ''];
if (preg_match('/^Set-Cookie: ([^;\r\n]+)/mi', $head, $found)) {
    file_put_contents($jar, $found[1]);
}
$status = explode(' ', $head, 3)[1] ?? 'no answer';
echo $status === '200' ? $body : "$status $body", "\n";
