<?php
/*
 * The page "Requests that overlap": for a lock mode its script sends twelve requests with one session at once and draws
 * when each waited, had the session and ended, and what the session holds afterwards.
 */
declare(strict_types=1);

require __DIR__ . '/../session.php';
require __DIR__ . '/../page.php';
require __DIR__ . '/../experiment.php';
require __DIR__ . '/../security.php';

$second = array_map(addresses(...), array_slice(ports(), 1));
restrict_answer("script-src 'self'; connect-src 'self' " . implode(' ', array_merge(...$second)));

// The theme is all that the page wants of the visitor's session.
$theme = 'auto';
if (isset($_COOKIE[VISITOR_COOKIE]) && begin_session(VISITOR_COOKIE, ['read_and_close' => true])) {
    $theme = $_SESSION['theme'] ?? 'auto';
}

ob_start();
?>
<header class="top">
  <?= brand() ?>

</header>
<main id="experiment" data-requests="<?= REQUESTS ?>" data-second-port="<?= e(ports()[1] ?? '') ?>" data-state="idle">
  <section class="intro">
    <h1>Requests that overlap</h1>
    <p>One visitor, one session, <?= REQUESTS ?> requests at the same moment. Each works for a fifth of a second or more,
    adds a key of its own to the session and one to a counter that all share. Choose how they get along:</p>
  </section>
  <noscript><p class="notice">This page needs JavaScript: it is the browser that sends the requests.</p></noscript>
  <div class="modes" role="group" aria-label="Lock mode">
<?php foreach (MODES as $mode => [$label]): ?>
    <button type="button" data-mode="<?= e($mode) ?>" aria-pressed="false" aria-describedby="about-<?= e($mode) ?>"><?= e($label) ?></button>
<?php endforeach ?>
  </div>
  <section class="card run" aria-label="The run">
<?php foreach (MODES as $mode => [, $sentences]): ?>
    <p class="about" id="about-<?= e($mode) ?>" hidden><?= e($sentences) ?></p>
<?php endforeach ?>
    <p id="state" role="status">Choose a mode, and the requests start.</p>
    <div id="waterfall"></div>
    <ul class="legend" id="legend" hidden>
      <li><svg viewBox="0 0 26 14" aria-hidden="true"><path class="way" d="M1 7h24"/></svg> on its way: connection, worker</li>
      <li><svg viewBox="0 0 26 14" aria-hidden="true"><rect class="waits" x="1" y="1" width="24" height="12" rx="3"/><path class="stripes" d="M5 12 10 2m1 10 5-10m1 10 5-10"/></svg> waits for the lock</li>
      <li><svg viewBox="0 0 26 14" aria-hidden="true"><rect class="open" x="1" y="1" width="24" height="12" rx="3"/></svg> has the session open</li>
      <li class="only-readers"><svg viewBox="0 0 26 14" aria-hidden="true"><rect class="reads" x="1" y="1" width="24" height="12" rx="3"/></svg> works on what it read</li>
    </ul>
  </section>
  <section class="card left" id="left" aria-label="What is left" hidden>
    <h2>What the session holds afterwards</h2>
    <ol class="keys" id="keys"></ol>
    <p id="counter"></p>
    <p class="hint" id="store"></p>
    <details>
      <summary>The times as numbers</summary>
      <div class="scrolls" role="region" aria-label="The times as numbers" tabindex="0">
      <table>
        <thead><tr><th scope="col">Request</th><th scope="col">on its way</th><th scope="col">waited</th>
        <th scope="col">session open</th><th scope="col">answered after</th></tr></thead>
        <tbody id="times"></tbody>
      </table>
      </div>
      <p class="hint">Milliseconds. The server measures arrival, wait and work; the browser when it sent the request and
      had the answer.</p>
    </details>
  </section>
  <section class="card compared" aria-label="The modes compared">
    <h2>The modes compared</h2>
    <table>
      <thead><tr><th scope="col">Mode</th><th scope="col">all done after</th><th scope="col">longest wait</th>
      <th scope="col">keys kept</th><th scope="col">counter</th></tr></thead>
      <tbody>
<?php foreach (MODES as $mode => [$label]): ?>
        <tr data-mode="<?= e($mode) ?>"><th scope="row"><?= e($label) ?></th><td>–</td><td>–</td><td>–</td><td>–</td></tr>
<?php endforeach ?>
      </tbody>
    </table>
  </section>
</main>
<?php
$head = '<link rel="stylesheet" href="/overlap.css"><script type="module" src="/overlap.js"></script>';
show_frame($theme, (string) ob_get_clean(), 'Requests that overlap – Cloakroom', $head);
