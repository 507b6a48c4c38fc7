--TEST--
Upload progress shows in the session while the upload runs
--SKIPIF--
<?php is_executable((string) getenv('TEST_PHP_CGI_EXECUTABLE')) || die('skip php-cgi is not installed');
--FILE--
<?php
require __DIR__ . '/cgi.inc';
use_cloakroom(own_directory());

$file = str_repeat("0123456789abcde\n", 32768);
$body = "--edge\r\nContent-Disposition: form-data; name=\"PHP_SESSION_UPLOAD_PROGRESS\"\r\n\r\nreport\r\n"
    . "--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"large.txt\"\r\n\r\n$file\r\n--edge--\r\n";
put('uploader', ['before' => 1]);
ini_set('cloakroom.lock_wait', '10');

foreach (['kept' => '0', 'cleaned up' => '1'] as $what => $cleanup) {
    $request = new CgiRequest(
        'session_start(); echo json_encode([$_SESSION, $_FILES["file"]["size"] ?? null]);',
        'PHPSESSID=uploader',
        ['session.upload_progress.enabled' => '1', 'session.upload_progress.cleanup' => $cleanup, 'session.upload_progress.freq' => '1%', 'session.upload_progress.min_freq' => '0'],
        'multipart/form-data; boundary=edge',
        strlen($body),
    );
    $request->send(substr($body, 0, intdiv(strlen($body), 2)));
    $progress = null;
    wait_until('the session showed that a part has arrived', function () use (&$progress): bool {
        $progress = stored('uploader')['upload_progress_report'] ?? null;

        return ($progress['bytes_processed'] ?? 0) > 100_000;
    });
    same("$what: the upload is not done", false, $progress['done']);
    same("$what: how much there will be", strlen($body), $progress['content_length']);
    $request->send(substr($body, intdiv(strlen($body), 2)));
    [$session, $size] = json_decode($request->response()[1], true);
    same("$what: the file arrived", strlen($file), $size);
    same("$what: what the script finds", $cleanup === '1' ? null : true, $session['upload_progress_report']['done'] ?? null);
    same("$what: the session's own data is there", 1, $session['before'] ?? null);
    put('uploader', ['before' => 1]);
}
done();
--EXPECT--
10 claims hold
