<?php
/*
 * Sessions to payloads and back by PHP's own serialize handler, and what is said to the test on the other end: frames on
 * standard input and output, which are a length (32 bits, little-endian) and bytes.
 */
declare(strict_types=1);

error_reporting(E_ALL & ~E_DEPRECATED);
set_error_handler(function (int $level, string $message) {
    if (error_reporting() & $level) {
        throw new ErrorException($message);
    }
    return true;
});

function send(string $bytes): void
{
    fwrite(STDOUT, pack('V', strlen($bytes)) . $bytes);
}

function receive(): string
{
    $length = fread(STDIN, 4);
    if ($length === '') {
        // The other end has had enough.
        exit(1);
    }
    $bytes = '';
    $wanted = unpack('V', $length)[1];
    while (strlen($bytes) < $wanted) {
        $more = fread(STDIN, $wanted - strlen($bytes));
        if ($more === false || $more === '') {
            throw new RuntimeException('standard input ended');
        }
        $bytes .= $more;
    }
    return $bytes;
}

function encode(array $session): string
{
    $_SESSION = $session;
    // For an empty session some formats give false, which PHP then writes as nothing.
    $payload = session_encode() ?: ($session === [] ? '' : null);
    if (!is_string($payload)) {
        throw new RuntimeException('cannot encode');
    }
    return $payload;
}

function decode(string $payload): array
{
    $_SESSION = [];
    if ($payload !== '' && !session_decode($payload)) {
        throw new RuntimeException('PHP cannot decode the payload');
    }
    $session = $_SESSION;
    $_SESSION = [];
    return $session;
}
