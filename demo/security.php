<?php
/*
 * What a browser may do with an answer: nothing from elsewhere, no frames, no guessing of types. And who may ask for
 * what only the application's own pages ask for.
 */
declare(strict_types=1);

/** Says what an answer may load; `$more` are directives that this page needs besides style sheets and pictures. */
function restrict_answer(string $more = ''): void
{
    header("Content-Security-Policy: default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        . "base-uri 'none'; frame-ancestors 'none'" . ($more === '' ? '' : "; $more"));
    header('X-Content-Type-Options: nosniff');
    header('Referrer-Policy: no-referrer');
}

/** The ports that the application is served at; the first one is that of its pages. */
function ports(): array
{
    return array_filter(array_map(intval(...), explode(',', $_SERVER['DEMO_PORTS'] ?? '')));
}

/** Where an address of a port can lead: the page may have been opened under either name. */
function addresses(int $port): array
{
    return ["http://127.0.0.1:$port", "http://localhost:$port"];
}

/** Origins whose scripts are this application's own. */
function page_origins(): array
{
    $own = ['http://' . ($_SERVER['HTTP_HOST'] ?? '')];
    return array_merge($own, ports() === [] ? [] : addresses(ports()[0]));
}
