<?php
/*
 * The visitor's session: how it is started, who is logged in, and the token that ties a form to it.
 *
 * Nothing in here knows Cloakroom. It is what PHP's manual recommends for any save handler: strict mode, a cookie
 * that scripts and other sites cannot use, a new id whenever rights change, and a token in every form.
 */
declare(strict_types=1);

/** The password of every visitor: the demonstration is about sessions, not about accounts. */
const DEMO_PASSWORD = 'cloakroom';

const VISITOR_COOKIE = 'cloakroom_demo';

const THEMES = ['auto', 'light', 'dark'];

/** Starts the visitor's session, or answers false when it cannot be had (its lock is taken for too long, say). */
function begin_session(string $name = VISITOR_COOKIE, array $options = []): bool
{
    return session_start($options + [
        'name' => $name,
        'use_strict_mode' => true,
        'use_only_cookies' => true,
        'cookie_httponly' => true,
        'cookie_samesite' => 'Lax',
        'cookie_secure' => !empty($_SERVER['HTTPS']),
        'sid_length' => 32,
        'sid_bits_per_character' => 6,
    ]);
}

/** The name of who is logged in, or null. */
function visitor(): ?string
{
    return $_SESSION['visitor'] ?? null;
}

/** Logs in under a new session id, so that an id which somebody planted or saw before is worth nothing. */
function log_in(string $name, string $password): bool
{
    $name = trim($name);
    if ($name === '' || !hash_equals(DEMO_PASSWORD, $password)) {
        return false;
    }
    session_regenerate_id(true);
    $_SESSION['visitor'] = preg_replace('/^(.{1,40}).*$/us', '$1', $name) ?? 'Somebody';
    $_SESSION['since'] = time();
    unset($_SESSION['token']);
    return true;
}

/** Ends the session on the server and takes the cookie back. */
function log_out(): void
{
    $_SESSION = [];
    $cookie = session_get_cookie_params();
    unset($cookie['lifetime']);
    setcookie(session_name(), '', ['expires' => 1] + $cookie);
    session_destroy();
}

/** The token that every form of this session carries. */
function form_token(): string
{
    return $_SESSION['token'] ??= bin2hex(random_bytes(16));
}

/** Whether the posted form was made by this session. */
function form_is_ours(): bool
{
    $posted = $_POST['token'] ?? null;
    return is_string($posted) && hash_equals(form_token(), $posted);
}

/** A text field of the posted form; anything else than text counts as empty. */
function posted(string $field): string
{
    $value = $_POST[$field] ?? '';
    return is_string($value) ? $value : '';
}

/** Keeps a sentence for the next page that is shown. */
function notice(string $sentence): void
{
    $_SESSION['notice'] = $sentence;
}

/** Takes the kept sentence, or null. */
function take_notice(): ?string
{
    $sentence = $_SESSION['notice'] ?? null;
    unset($_SESSION['notice']);
    return $sentence;
}
