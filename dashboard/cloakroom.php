<?php
/*
 * Cloakroom's dashboard: what is in the session store of this PHP and what is done with it, live, on one page. One file,
 * which needs nothing but the extension; put it where PHP serves it, behind your own authentication.
 *
 * It shows figures only: no id, no data of a session. Figures are not for everybody all the same, so the page refuses to
 * work until the server's configuration, or the code that includes it, says that whoever comes this far may see it:
 *
 *   nginx    location = /cloakroom.php { auth_basic …; fastcgi_param CLOAKROOM_DASHBOARD_OPEN 1; … }
 *   Apache   <Files "cloakroom.php"> Require valid-user … SetEnv CLOAKROOM_DASHBOARD_OPEN 1 </Files>
 *   PHP      define('CLOAKROOM_DASHBOARD_OPEN', true); require '…/cloakroom.php';   after a log-in of your own
 *
 * A user name alone (REMOTE_USER, PHP_AUTH_USER) is no proof: PHP and nginx take both from the request, also where nobody
 * has checked the password.
 */
declare(strict_types=1);

namespace Cloakroom\Dashboard;

/** Whether the configuration, which no request can change, opens the page. */
function is_open(): bool
{
    $said = \defined('CLOAKROOM_DASHBOARD_OPEN')
        ? \constant('CLOAKROOM_DASHBOARD_OPEN')
        : $_SERVER['CLOAKROOM_DASHBOARD_OPEN'] ?? getenv('CLOAKROOM_DASHBOARD_OPEN');

    return filter_var($said, FILTER_VALIDATE_BOOLEAN);
}

/** Text, safe inside HTML. */
function e(string $text): string
{
    return htmlspecialchars($text, ENT_QUOTES | ENT_SUBSTITUTE | ENT_HTML5, 'UTF-8');
}

/** What a function of the extension answers, and the warning that it raised, if it did. */
function ask(callable $function): array
{
    $warning = null;
    set_error_handler(function (int $level, string $message) use (&$warning): bool {
        $warning ??= preg_replace('/^.*?\(\): Cloakroom: /', '', $message);

        return true;
    });
    try {
        return [$function(), $warning];
    } finally {
        restore_error_handler();
    }
}

/** All that the page draws; with `$whole` also what changes slowly. */
function report(bool $whole): array
{
    $report = ['clock' => hrtime(true) / 1e6];
    if (!\extension_loaded('cloakroom')) {
        return $report + ['status' => null, 'error' => 'The extension cloakroom is not loaded by this PHP.'];
    }
    [$status, $warning] = ask(\Cloakroom\status(...));
    $report += ['status' => $status ?: null, 'error' => $warning];
    if ($whole) {
        [$survey] = $status ? ask(\Cloakroom\survey(...)) : [null];
        [$findings] = ask(\Cloakroom\doctor(...));
        $report += ['survey' => $survey ?: null, 'findings' => $findings];
    }

    return $report;
}

function json(array $report): string
{
    return json_encode($report, JSON_HEX_TAG | JSON_HEX_AMP | JSON_INVALID_UTF8_SUBSTITUTE | JSON_THROW_ON_ERROR);
}

/** Headers of every answer: it is for nobody else, is kept nowhere, and may load nothing but itself. */
function restrict(string $type, string $nonce = ''): void
{
    $own = $nonce === '' ? "'none'" : "'nonce-$nonce'";
    header("Content-Type: $type");
    header("Content-Security-Policy: default-src 'none'; script-src $own; style-src $own; connect-src 'self'; "
        . "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    header('X-Content-Type-Options: nosniff');
    header('X-Frame-Options: DENY');
    header('Referrer-Policy: no-referrer');
    header('X-Robots-Tag: noindex');
    header('Cache-Control: no-store');
}

// The page needs no session; one that session.auto_start has begun is left as it was.
if (session_status() === PHP_SESSION_ACTIVE) {
    session_abort();
}

$wanted = \is_string($_GET['cloakroom'] ?? null) ? $_GET['cloakroom'] : 'page';
if (!is_open()) {
    http_response_code(403);
    restrict('text/plain; charset=UTF-8');
    exit("The dashboard is closed.\n\nPut it behind your own authentication, and set CLOAKROOM_DASHBOARD_OPEN=1 there for this\n"
        . "file: the comment at its beginning says how.\n");
}
if ($wanted === 'figures' || $wanted === 'everything') {
    restrict('application/json');
    exit(json(report($wanted === 'everything')));
}
if ($wanted === 'icon') {
    restrict('image/svg+xml');
    exit('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><rect width="24" height="24" rx="5" fill="#8a2f3c"/>'
        . '<path d="M12 9.500V8.200a1.800 1.800 0 1 0-1.800-1.800M12 9.500l7 5.200a1 1 0 0 1-.6 1.800H5.600a1 1 0 0 1-.6-1.800z" '
        . 'fill="none" stroke="#fff" stroke-width="1.500" stroke-linecap="round" stroke-linejoin="round"/></svg>');
}
$nonce = base64_encode(random_bytes(16));
restrict('text/html; charset=UTF-8', $nonce);
?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Cloakroom</title>
<link rel="icon" href="?cloakroom=icon" type="image/svg+xml">
<style nonce="<?= e($nonce) ?>">
:root {
  --paper: #f6f1ea; --card: #fffdfa; --ink: #2b2320; --soft: #75685f; --line: #e4d9cc; --accent: #8a2f3c;
  --first: #8a2f3c; --second: #b3761a; --third: #2f7573; --rest: #e9dfd2; --good: #2f6b46; --warn: #96590a; --bad: #b3261e;
  --shadow: 0 1px 2px rgb(60 40 20 / 8%), 0 8px 24px rgb(60 40 20 / 7%);
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #1a1615; --card: #241f1d; --ink: #f1e9e2; --soft: #a99b91; --line: #3a322e; --accent: #d9808b;
    --first: #d9808b; --second: #e0b15a; --third: #71c3be; --rest: #3a322e; --good: #7cc596; --warn: #e8b35a; --bad: #f2938c;
    --shadow: 0 1px 2px rgb(0 0 0 / 40%), 0 8px 24px rgb(0 0 0 / 30%);
  }
}
* { box-sizing: border-box; }
[hidden] { display: none !important; }
body { margin: 0 auto; max-width: 74rem; padding: 1rem clamp(0.8rem, 3vw, 2rem) 3rem; background: var(--paper);
  color: var(--ink); font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; }
h1, h2, p, dl, dd, ul { margin: 0; padding: 0; }
h1 { font: 600 1.35rem/1.2 Georgia, "Liberation Serif", serif; }
h2 { font-size: 1.02rem; line-height: 1.3; }
header { display: flex; align-items: center; gap: 0.8rem; padding: 0.2rem 0 1.1rem; }
header svg { flex: none; width: 2rem; height: 2rem; color: var(--accent); fill: none; stroke: currentcolor; stroke-width: 1.6;
  stroke-linecap: round; stroke-linejoin: round; }
header div { margin-right: auto; min-width: 0; }
.soft { color: var(--soft); font-size: 0.9rem; overflow-wrap: anywhere; }
button { flex: none; font: inherit; font-size: 0.9rem; color: inherit; cursor: pointer; min-height: 2.5rem; padding: 0.2rem 1rem;
  border: 1px solid var(--line); border-radius: 999px; background: var(--card); }
button:hover { border-color: var(--accent); }
button:focus-visible, summary:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
button i { display: inline-block; width: 0.6em; height: 0.6em; margin-right: 0.5em; border-radius: 50%;
  background: var(--soft); }
button[aria-pressed="true"] i { background: var(--good); }
main { display: grid; gap: 1rem; grid-template-columns: repeat(6, minmax(0, 1fr)); }
.card { display: grid; gap: 0.7rem; align-content: start; grid-column: 1 / -1; min-width: 0; padding: 1.1rem 1.2rem;
  background: var(--card); border: 1px solid var(--line); border-radius: 16px; box-shadow: var(--shadow); }
#sampled { grid-column: 1 / -1; padding: 0 1.2rem; }
.trouble { border-left: 5px solid var(--bad); }
.numbers { display: grid; gap: 0.6rem; grid-template-columns: repeat(auto-fit, minmax(min(11rem, 45%), 1fr)); }
.numbers div { padding: 0.5rem 0.8rem; border-radius: 10px; background: var(--paper); }
dt { font-size: 0.82rem; color: var(--soft); }
dd { font-weight: 600; font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
dd small { display: block; font-size: 0.8rem; font-weight: 400; color: var(--soft); }
.numbers.large dd { font: 600 1.6rem/1.25 Georgia, "Liberation Serif", serif; }
.numbers.large dd small { font: 0.8rem/1.4 system-ui, -apple-system, "Segoe UI", "Liberation Sans", sans-serif; }
.numbers .alarm { box-shadow: inset 3px 0 var(--bad); }
.legend { display: flex; flex-wrap: wrap; gap: 0.2rem 1.2rem; list-style: none; font-size: 0.88rem; color: var(--soft); }
.legend b { color: var(--ink); font-variant-numeric: tabular-nums; }
.legend i { display: inline-block; width: 0.8em; height: 0.8em; margin-right: 0.45em; border-radius: 3px; }
i.first { background: var(--first); } i.second { background: var(--second); } i.third { background: var(--third); }
i.rest { background: var(--rest); }
figure { margin: 0; min-width: 0; }
figure svg { display: block; width: 100%; height: auto; }
text { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
text.value { fill: var(--ink); }
.grid { stroke: var(--line); fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line.first { stroke: var(--first); } .line.second { stroke: var(--second); } .line.third { stroke: var(--third); }
.line.second { stroke-dasharray: 7 4; } .line.third { stroke-dasharray: 2 4; }
rect.first { fill: var(--first); } rect.second { fill: var(--second); } rect.third { fill: var(--third); }
rect.rest { fill: var(--rest); }
rect.track { fill: var(--paper); }
.findings { display: grid; gap: 0.5rem; list-style: none; }
.findings li { display: grid; grid-template-columns: 4.2rem minmax(0, 1fr); gap: 0.1rem 0.6rem; padding: 0.5rem 0;
  border-top: 1px solid var(--line); overflow-wrap: anywhere; }
.findings b { font-size: 0.82rem; line-height: 1.85; }
.findings .ok b { color: var(--good); } .findings .warn b { color: var(--warn); } .findings .bad b { color: var(--bad); }
.findings code { font-size: 0.88em; color: var(--soft); }
.findings p + p { color: var(--soft); font-size: 0.92rem; }
summary { cursor: pointer; min-height: 2rem; color: var(--soft); font-size: 0.92rem; }
@media (max-width: 34rem) { .findings li { grid-template-columns: minmax(0, 1fr); } }
@media (min-width: 56rem) {
  .half { grid-column: span 3; }
  .third-part { grid-column: span 2; }
}
</style>
</head>
<body>
<header>
  <svg viewBox="0 0 24 24" aria-hidden="true"><path d="M12 8V6.500a2 2 0 1 0-2-2M12 8l9.500 7a1.500 1.500 0 0 1-1 2.500h-17a1.500 1.500 0 0 1-1-2.500z"/></svg>
  <div><h1>Cloakroom</h1><p class="soft" id="store"></p></div>
  <button id="live" type="button" aria-pressed="true"><i></i><span>Live</span></button>
</header>
<main>
  <section class="card trouble" id="trouble" role="alert" hidden><h2>The store cannot be looked at</h2><p></p></section>
  <noscript><section class="card"><p>The page is drawn by JavaScript.</p></section></noscript>
  <section class="card store" aria-label="Now"><dl class="numbers large" id="now"></dl></section>
  <section class="card store" id="room"><h2>Room</h2><figure></figure><ul class="legend"></ul></section>
  <section class="card half store" id="traffic"><h2>Traffic, a second</h2><figure></figure><ul class="legend"></ul></section>
  <section class="card half store" id="waits"><h2>Waits for the lock of a session</h2><figure></figure>
    <p class="soft"></p></section>
  <section class="card third-part survey" id="sizes"><h2>Size of the sessions</h2><figure></figure></section>
  <section class="card third-part survey" id="ages"><h2>Time since they began</h2><figure></figure></section>
  <section class="card third-part survey" id="idle"><h2>Time since their last use</h2><figure></figure></section>
  <p class="soft survey" id="sampled"></p>
  <section class="card store"><h2>Since the store was made</h2><dl class="numbers" id="counters"></dl></section>
  <section class="card" id="doctor" hidden><h2></h2><ul class="findings"></ul>
    <details><summary></summary><ul class="findings"></ul></details></section>
</main>
<script type="application/json" id="report"><?= json(report(true)) ?></script>
<script nonce="<?= e($nonce) ?>">
"use strict";
// How often the page asks, how often for what changes slowly, and how long a time the traffic shows.
const EVERY = 3000, WHOLE_EVERY = 10, SHOWN = 5 * 60 * 1000;
const part = (id, inner) => document.querySelector(inner ? `#${id} ${inner}` : `#${id}`);
const number = (value) => Math.round(value).toLocaleString("en").replaceAll(",", "\u202f");
const rate = (value) => (value < 9.95 ? value.toFixed(1) : number(value));
const times = (value, one, many) => `${number(value)} ${value === 1 ? one : many}`;
const steps = (units) => (value) => {
  const [size, name] = units.findLast(([size]) => value >= size) ?? units[0];
  return `${value >= 10 * size ? Math.round(value / size) : +(value / size).toFixed(1)} ${name}`;
};
const bytes = steps([[1, "B"], [1024, "KiB"], [1024 ** 2, "MiB"], [1024 ** 3, "GiB"]]);
const period = steps([[1, "s"], [60, "min"], [3600, "h"], [86400, "d"]]);
const instant = steps([[1e-6, "µs"], [1e-3, "ms"], [1, "s"]]);

function element(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}
function shape(name, attributes, text) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  if (text !== undefined) made.textContent = text;
  return made;
}
function picture(figure, height, label) {
  const width = Math.max(240, figure.clientWidth);
  const made = shape("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label });
  figure.replaceChildren(made);
  return [made, width];
}
function legend(list, entries) {
  list.replaceChildren(...entries.map(([kind, name, value]) => {
    const entry = element("li");
    entry.append(element("i", "", kind), `${name} `, element("b", value));
    return entry;
  }));
}
function numbers(list, entries) {
  list.replaceChildren(...entries.filter(([, value]) => value !== undefined).map(([name, value, small, alarm]) => {
    const entry = element("div", undefined, alarm ? "alarm" : "");
    const shown = element("dd", value);
    if (small) shown.append(element("small", small));
    entry.append(element("dt", name), shown);
    return entry;
  }));
}

/** Steps of a histogram as bars below each other: [name, count]. */
function bars(figure, kind, rows) {
  const all = rows.reduce((sum, [, count]) => sum + count, 0), most = Math.max(1, ...rows.map(([, count]) => count));
  const label = rows.map(([name, count]) => `${name}: ${count}`).join(", ");
  const [made, width] = picture(figure, rows.length * 25, label);
  const left = 112, right = 88;
  rows.forEach(([name, count], index) => {
    const y = index * 25 + 4, long = (count / most) * (width - left - right);
    made.append(shape("text", { x: left - 10, y: y + 13, "text-anchor": "end" }, name));
    made.append(shape("rect", { class: "track", x: left, y, width: width - left - right, height: 17, rx: 3 }));
    if (count) made.append(shape("rect", { class: kind, x: left, y, width: Math.max(2, long), height: 17, rx: 3 }));
    const share = all && count ? ` · ${count / all < 0.01 ? "<1" : Math.round((100 * count) / all)} %` : "";
    made.append(shape("text", { class: "value", x: width, y: y + 13, "text-anchor": "end" }, number(count) + share));
  });
}
/** The steps of a histogram of the extension, each from the end of the one before. */
const ranged = (histogram, spell, first) => histogram.map(({ below, sessions }, index) => {
  const from = index ? histogram[index - 1].below : 0;
  if (below === null || !index) return [index ? `≥ ${spell(from)}` : first, sessions];
  const [[low, unit], [high, other]] = [spell(from).split(" "), spell(below).split(" ")];
  return [`${low}${unit === other ? "" : ` ${unit}`} – ${high} ${other}`, sessions];
});

const samples = [];
const LINES = [["reads", "first", "read"], ["writes", "second", "written"], ["touches", "third", "kept alive"]];
/** What happened between two reports, a second. A store that was made anew counts from zero again. */
function remember({ clock, status }) {
  const last = samples.at(-1);
  const sample = { clock, status, rates: null };
  if (last?.status && status && clock > last.clock && LINES.every(([name]) => status[name] >= last.status[name])) {
    sample.rates = LINES.map(([name]) => ((status[name] - last.status[name]) * 1000) / (clock - last.clock));
  }
  samples.push(sample);
  while (clock - samples[0].clock > SHOWN) samples.shift();
}
function drawTraffic() {
  const rated = samples.filter(({ rates }) => rates);
  const most = Math.max(1, ...rated.flatMap(({ rates }) => rates));
  const top = [1, 2, 5].map((step) => step * 10 ** Math.floor(Math.log10(most))).find((step) => step >= most)
    ?? 10 ** Math.ceil(Math.log10(most));
  const now = samples.at(-1), current = now.rates;
  const label = current ? LINES.map(([, , name], i) => `${name} ${rate(current[i])} a second`).join(", ") : "no traffic yet";
  const [made, width] = picture(part("traffic", "figure"), 190, label);
  const left = 46, height = 160;
  const x = (clock) => width - 6 - ((now.clock - clock) / SHOWN) * (width - left - 6);
  const y = (value) => 8 + (1 - value / top) * (height - 8);
  for (const value of [0, top / 2, top]) {
    made.append(shape("path", { class: "grid", d: `M${left} ${y(value)}H${width - 6}` }));
    made.append(shape("text", { x: left - 8, y: y(value) + 4, "text-anchor": "end" }, rate(value)));
  }
  for (const [age, name] of [[SHOWN, "5 min ago"], [0, "now"]]) {
    made.append(shape("text", { x: x(now.clock - age), y: 184, "text-anchor": age ? "start" : "end" }, name));
  }
  LINES.forEach(([, kind], i) => {
    let path = "", pen = "M";
    for (const { clock, rates } of samples) {
      path += rates ? `${pen}${x(clock).toFixed(1)} ${y(rates[i]).toFixed(1)}` : "";
      pen = rates ? "L" : "M";
    }
    if (path) made.append(shape("path", { class: `line ${kind}`, d: path }));
  });
  legend(part("traffic", ".legend"), LINES.map(([, kind, name], i) => [kind, name, current ? rate(current[i]) : "…"]));
}
function drawRoom({ capacity, file_bytes: file, free_bytes: free, bytes: data }) {
  part("room").hidden = !capacity;
  if (!capacity) return;
  const used = file - free, entries = [
    ["first", "data of sessions", data], ["second", "index and rounding", Math.max(0, used - data)],
    ["third", "free in the file", free], ["rest", "may still grow by", Math.max(0, capacity - file)],
  ];
  const [made, width] = picture(part("room", "figure"), 26, entries.map(([, name, size]) => `${name}: ${bytes(size)}`).join(", "));
  const all = entries.reduce((sum, [, , size]) => sum + size, 0);
  let at = 0;
  for (const [kind, , size] of entries) {
    const long = (size / all) * width;
    made.append(shape("rect", { class: kind, x: at, y: 0, width: Math.max(0, long - (long > 3 ? 1 : 0)), height: 26, rx: 3 }));
    at += long;
  }
  part("room", "h2").textContent = `Room: ${Math.round((100 * used) / capacity)} % of ${bytes(capacity)} in use`;
  legend(part("room", ".legend"), entries.map(([kind, name, size]) => [kind, name, bytes(size)]));
}
function drawWaits(status) {
  const names = Object.keys(status).filter((name) => /^waits_(below|from)_/.test(name));
  part("waits").hidden = !names.length;
  const spelt = (name) => name.replace(/.*_/, "").replace(/(\d+)(\w+)/, "$1 $2").replace(" us", " µs");
  bars(part("waits", "figure"), "second", names.map((name) => [`${/below/.test(name) ? "<" : "≥"} ${spelt(name)}`, status[name]]));
  const { waits, wait_microseconds: microseconds, wait_timeouts: vain } = status;
  part("waits", "p").textContent = waits
    ? `${times(waits, "wait", "waits")}, ${instant(microseconds / 1e6 / waits)} on average, ${number(vain)} in vain`
    : "No request has waited so far.";
}
function drawFigures(status) {
  const now = status;
  numbers(part("now"), [
    ["Sessions", now.sessions === undefined ? undefined : number(now.sessions),
      now.reserved === undefined ? "" : `${number(now.reserved)} without data`],
    ["Data", now.bytes === undefined ? undefined : bytes(now.bytes),
      now.sessions > now.reserved ? `${bytes(now.bytes / (now.sessions - now.reserved))} a session` : ""],
    ["Locked", now.locked === undefined ? undefined : number(now.locked), "by requests that run now"],
    ["Waiting", now.waiting === undefined ? undefined : number(now.waiting), "requests, for a lock"],
    ["Memory", now.server_memory === undefined ? undefined : bytes(now.server_memory),
      now.server_memory_limit ? `of ${bytes(now.server_memory_limit)} that the servers may use` : "that the servers use"],
    ["Processes", now.attached === undefined ? undefined : number(now.attached), "use the store"],
  ]);
  const counter = (title, name, small, alarming) =>
    [title, now[name] === undefined ? undefined : number(now[name]), small, alarming && now[name] > 0];
  numbers(part("counters"), [
    counter("Begun", "creates"), counter("Destroyed", "destroys"), counter("Expired", "expired"),
    counter("Evicted", "evictions", "for want of room", true),
    counter("Merged", "merges", now.merge_conflicts === undefined ? "" : times(now.merge_conflicts, "conflict", "conflicts")),
    counter("Not mergeable", "merge_fallbacks", "last write won", true),
    counter("Refused", "refused_writes", "after a log-out"), counter("Waits in vain", "wait_timeouts", "", true),
    counter("Migrated", "migrated", "from the old handler"), counter("Repairs", "recoveries", "after a death"), counter("Corrupt", "corrupt", "", true),
  ]);
  part("store").textContent = `${status.store} · lock mode ${status.lock}`;
}
function drawSurvey(survey, sessions) {
  for (const card of document.querySelectorAll(".survey")) card.hidden = !survey;
  if (!survey) return;
  bars(part("sizes", "figure"), "first", ranged(survey.sizes, bytes, "no data"));
  bars(part("ages", "figure"), "third", ranged(survey.ages, period, "< 1 min"));
  bars(part("idle", "figure"), "third", ranged(survey.idle, period, "< 1 min"));
  const whose = survey.complete ? `all ${number(survey.sampled)} sessions` :
    `${number(survey.sampled)} sessions, drawn at random from ${number(sessions)}`;
  part("sampled").textContent = `The three pictures show ${whose}. ${number(survey.returned)} of them were asked for again after `
    + `the request that began them. The largest holds ${bytes(survey.largest)}.`;
}
function drawFindings(findings) {
  part("doctor").hidden = !findings;
  if (!findings) return;
  const row = ({ level, subject, found, advice }) => {
    const entry = element("li", undefined, level), text = element("div");
    const said = element("p", `${found[0].toUpperCase()}${found.slice(1)}. `);
    said.append(element("code", subject));
    text.append(said);
    if (advice) text.append(element("p", `${advice[0].toUpperCase()}${advice.slice(1)}.`));
    entry.append(element("b", { ok: "✓ ok", warn: "▲ look", bad: "✕ bad" }[level]), text);
    return entry;
  };
  const open = findings.filter(({ level }) => level !== "ok").sort((a, b) => (a.level > b.level ? 1 : a.level < b.level ? -1 : 0));
  const well = findings.filter(({ level }) => level === "ok");
  part("doctor", "h2").textContent = open.length ? `${times(open.length, "thing", "things")} to look at` : "Nothing to complain about";
  part("doctor", ".findings").replaceChildren(...open.map(row));
  part("doctor", "summary").textContent = `${times(well.length, "thing is", "things are")} as they should be`.replace("is as they", "is as it");
  part("doctor", "details .findings").replaceChildren(...well.map(row));
}

let shown;
function draw() {
  const { status, error } = shown;
  part("trouble").hidden = !error;
  part("trouble", "p").textContent = error ?? "";
  for (const card of document.querySelectorAll(".store")) card.hidden = !status;
  if (status) {
    drawFigures(status);
    drawRoom(status);
    drawTraffic();
    drawWaits(status);
  } else {
    part("store").textContent = "";
  }
  drawSurvey(status && shown.survey, status?.sessions);
  drawFindings(shown.findings);
  document.body.dataset.drawn = String(Number(document.body.dataset.drawn ?? 0) + 1);
}
function take(report) {
  // What a report without the slow part does not tell stays as it was told last.
  shown = { ...shown, ...report };
  remember(report);
  draw();
}

let asked = 0, live = true;
async function ask() {
  if (!live || document.hidden) return;
  const address = new URL(location.href);
  address.searchParams.set("cloakroom", ++asked % WHOLE_EVERY && shown.status ? "figures" : "everything");
  try {
    const answer = await fetch(address, { cache: "no-store", signal: AbortSignal.timeout(10_000) });
    if (!answer.ok) throw new Error(`the server answers ${answer.status}`);
    take(await answer.json());
  } catch (error) {
    take({ clock: shown.clock, status: null, error: `This page gets no answer: ${error.message}.` });
  }
}
part("live").addEventListener("click", () => {
  live = !live;
  part("live").setAttribute("aria-pressed", String(live));
  part("live", "span").textContent = live ? "Live" : "Paused";
  ask();
});
take(JSON.parse(part("report").textContent));
// Pictures are as wide as their cards. Only another width matters: drawing changes the height.
let width = document.documentElement.clientWidth;
addEventListener("resize", () => {
  if (width !== document.documentElement.clientWidth) draw();
  width = document.documentElement.clientWidth;
});
(async function go() {
  for (;;) {
    await new Promise((done) => setTimeout(done, EVERY));
    await ask();
  }
})();
</script>
</body>
</html>
