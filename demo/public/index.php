<?php
/*
 * The visitor's page: starts the session, carries out what a form asks for and redirects, or shows the page.
 */
declare(strict_types=1);

require __DIR__ . '/../session.php';
require __DIR__ . '/../shop.php';
require __DIR__ . '/../page.php';
require __DIR__ . '/../security.php';

restrict_answer();

$started = hrtime(true);
$have_session = begin_session();
$start_time = hrtime(true) - $started;

if (!$have_session) {
    http_response_code(503);
    header('Retry-After: 5');
    show_sorry();
    exit;
}

/** Carries out one form. */
function carry_out(string $action): void
{
    switch ($action) {
        case 'log-in':
            notice(log_in(posted('name'), posted('password'))
                ? 'Welcome. Your session has a new id now; the one before is not logged in.'
                : 'That is not the password. It is written below the form.');
            break;
        case 'log-out':
            log_out();
            break;
        case 'theme':
            if (in_array(posted('theme'), THEMES, true)) {
                $_SESSION['theme'] = posted('theme');
            }
            break;
        case 'hand-over':
            if (visitor() === null || !hand_over(posted('thing'))) {
                notice('We cannot take that.');
            }
            break;
        case 'take-back':
            if (visitor() === null || !take_back(posted('thing'))) {
                notice('That is not in your basket.');
            }
            break;
        default:
            notice('There is no such button.');
    }
}

if ($_SERVER['REQUEST_METHOD'] === 'POST') {
    if (form_is_ours()) {
        carry_out(posted('action'));
        header('Location: /', true, 303);
        exit;
    }
    http_response_code(403);
    notice('That form was out of date. Please try again.');
}

$_SESSION['visits'] = ($_SESSION['visits'] ?? 0) + 1;
$page = [
    'visitor' => visitor(),
    'since' => $_SESSION['since'] ?? null,
    'theme' => $_SESSION['theme'] ?? 'auto',
    'visits' => $_SESSION['visits'],
    'basket' => basket_rows(),
    'notice' => take_notice(),
    'token' => form_token(),
    'start_time' => $start_time,
    'handler' => session_module_name(),
    'store' => function_exists('Cloakroom\status') ? Cloakroom\status() : [],
];
// Everything is known: the next request of this visitor need not wait until the page is written.
session_write_close();
show_page($page);
