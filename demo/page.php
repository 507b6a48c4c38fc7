<?php
/*
 * The page. Everything that came from outside passes through e() on its way into the HTML.
 */
declare(strict_types=1);

/** Text, safe inside HTML and its attributes. */
function e(string|int $text): string
{
    return htmlspecialchars((string) $text, ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML5, 'UTF-8');
}

/** A drawing of lines on a grid of 24 by 24. */
function drawing(string $path): string
{
    return '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="' . e($path) . '"/></svg>';
}

/** A form of one button that posts an action. */
function button(
    array $page,
    string $action,
    string $label,
    array $fields = [],
    string $class = '',
    string $title = '',
): string {
    $html = '<form method="post" action="/"><input type="hidden" name="token" value="' . e($page['token']) . '">';
    foreach ($fields as $name => $value) {
        $html .= '<input type="hidden" name="' . e($name) . '" value="' . e($value) . '">';
    }
    $named = $title === '' ? '' : ' aria-label="' . e($title) . '" title="' . e($title) . '"';
    if ($class === 'chosen') {
        $named .= ' aria-pressed="true"';
    }
    return $html . '<button name="action" value="' . e($action) . '" class="' . e($class) . '"' . $named . '>'
        . $label . '</button></form>';
}

/** What the panel shows of Cloakroom\status(): name there => name on the page. */
const FIGURES = [
    'sessions' => 'sessions',
    'bytes' => 'data',
    'file_bytes' => 'file',
    'capacity' => 'may grow to',
    'reads' => 'reads',
    'writes' => 'writes',
    'touches' => 'kept alive',
    'destroys' => 'destroyed',
    'expired' => 'expired',
    'waits' => 'waits for a lock',
    'recoveries' => 'repairs',
    'attached' => 'processes',
];

/** A figure of the store as people read it. */
function figure(string $name, int $value): string
{
    if (!in_array($name, ['bytes', 'file_bytes', 'capacity'], true)) {
        return number_format($value, 0, '.', ' ');
    }
    $power = min(3, (int) log(max(1, $value), 1024));
    return round($value / 1024 ** $power, 1) . ' ' . ['B', 'KiB', 'MiB', 'GiB'][$power];
}

/** The name of the house, which leads to its first page. */
function brand(): string
{
    return '<a class="brand" href="/">'
        . drawing('M12 8V6.500a2 2 0 1 0-2-2M12 8l9.500 7a1.500 1.500 0 0 1-1 2.500h-17a1.500 1.500 0 0 1-1-2.500z')
        . '<span>Cloakroom</span></a>';
}

/** The frame around every page; `$head` is HTML. */
function show_frame(string $theme, string $body, string $title = 'Cloakroom', string $head = ''): void
{
    header('Content-Type: text/html; charset=UTF-8');
    ?>
<!doctype html>
<html lang="en" data-theme="<?= e($theme) ?>">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="<?= $theme === 'auto' ? 'light dark' : e($theme) ?>">
<title><?= e($title) ?></title>
<link rel="icon" href="/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="/style.css">
<?= $head ?>
</head>
<body>
<?= $body ?>
</body>
</html>
<?php
}

/** Shown where the session could not be had. */
function show_sorry(): void
{
    show_frame('auto', '<main class="sorry"><h1>One moment, please</h1><p>Your session is not available right now: '
        . 'another request may be holding it, or its store cannot be reached. The server\'s log says which.</p>'
        . '<p><a href="/">Try again</a></p></main>');
}

/** The page of a visitor, logged in or not. */
function show_page(array $page): void
{
    ob_start();
    ?>
<header class="top">
  <?= brand() ?>

  <a href="/overlap.php">Requests that overlap</a>
  <div class="themes" role="group" aria-label="Theme">
<?php foreach (['auto' => 'Auto', 'light' => 'Light', 'dark' => 'Dark'] as $theme => $label): ?>
    <?= button($page, 'theme', $label, ['theme' => $theme], $page['theme'] === $theme ? 'chosen' : '') ?>

<?php endforeach ?>
  </div>
<?php if ($page['visitor'] !== null): ?>
  <?= button($page, 'log-out', 'Log out', [], 'quiet') ?>

<?php endif ?>
</header>
<main>
<?php if ($page['notice'] !== null): ?>
  <p class="notice" role="status"><?= e($page['notice']) ?></p>
<?php endif ?>
  <section class="ticket" aria-label="Your ticket">
    <div class="stub"><span>Visit</span><strong id="visits"><?= e($page['visits']) ?></strong></div>
    <div class="body">
<?php if ($page['visitor'] !== null): ?>
      <h1>Good to see you, <span id="visitor"><?= e($page['visitor']) ?></span></h1>
      <p>Logged in since <?= e(date('H:i', $page['since'])) ?> UTC. Reload the page and the counter on the left goes
      up; restart the server and it goes on from there.</p>
<?php else: ?>
      <h1>Hand in your coat</h1>
      <p>This page keeps four things in your PHP session: your name, your theme, a visit counter and a basket.</p>
<?php endif ?>
    </div>
  </section>
<?php if ($page['visitor'] === null): ?>
  <form class="card log-in" method="post" action="/">
    <h2>Log in</h2>
    <input type="hidden" name="token" value="<?= e($page['token']) ?>">
    <label>Name <input name="name" required maxlength="40" autocomplete="username" placeholder="Ada"></label>
    <label>Password <input name="password" type="password" required autocomplete="current-password"></label>
    <button name="action" value="log-in" class="strong">Log in</button>
    <p class="hint">Any name; the password is <code><?= e(DEMO_PASSWORD) ?></code>.</p>
  </form>
<?php else: ?>
  <div class="columns">
    <section class="things" aria-label="Things to hand over">
<?php foreach (THINGS as $thing => [$name, $price, $path]): ?>
      <article class="card thing">
        <?= drawing($path) ?>

        <h2><?= e($name) ?></h2>
        <p><?= e(money($price)) ?></p>
        <?= button($page, 'hand-over', 'Hand over', ['thing' => $thing], 'strong', 'Hand over: ' . $name) ?>

      </article>
<?php endforeach ?>
    </section>
    <section class="card basket" aria-label="Your basket">
      <h2>Your basket</h2>
<?php if ($page['basket'] === []): ?>
      <p class="hint">Nothing handed over yet.</p>
<?php else: ?>
      <ul>
<?php foreach ($page['basket'] as $row): ?>
        <li data-thing="<?= e($row['thing']) ?>" data-number="<?= e($row['number']) ?>">
          <span><?= e($row['number']) ?> × <?= e($row['name']) ?></span>
          <span class="price"><?= e(money($row['price'])) ?></span>
          <?= button($page, 'take-back', '−', ['thing' => $row['thing']], 'small', 'Take back one: ' . $row['name']) ?>

        </li>
<?php endforeach ?>
      </ul>
      <p class="sum"><span>Together</span> <strong><?= e(money(array_sum(array_column($page['basket'], 'price')))) ?></strong></p>
<?php endif ?>
    </section>
  </div>
<?php endif ?>
  <section class="card store" aria-label="The session store">
    <h2>Behind the counter</h2>
    <p class="hint">Kept by <code>session.save_handler = <?= e($page['handler']) ?></code>;
    <code>session_start()</code> took <?= e(number_format($page['start_time'] / 1000, 1)) ?> µs for this page.</p>
<?php if ($page['store'] !== []): ?>
    <dl>
<?php foreach (FIGURES as $name => $label): ?>
      <div><dt><?= e($label) ?></dt><dd id="<?= e($name) ?>"><?= e(figure($name, $page['store'][$name])) ?></dd></div>
<?php endforeach ?>
    </dl>
<?php endif ?>
  </section>
</main>
<?php
    show_frame($page['theme'], (string) ob_get_clean());
}
