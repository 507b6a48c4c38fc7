/* The page "Requests that overlap": sends the requests, and shows what they and the session tell. */

import { drawWaterfall } from "/waterfall.js";

const page = document.getElementById("experiment");
const buttons = [...document.querySelectorAll(".modes button")];
const REQUESTS = Number(page.dataset.requests);
const byId = (id) => document.getElementById(id);

/** The rows that are drawn now, and for which width: they are drawn again when it changes. */
let drawn = [];
let drawnWidth = 0;

/** Sends one question to the server; answers the response, whose body may still be on its way. */
function send(origin, fields) {
  return fetch(`${origin}/overlap-request.php`, {
    method: "POST",
    credentials: "include",
    body: new URLSearchParams(fields),
  });
}

async function read(response) {
  const answer = await response.json();
  if (!response.ok) {
    throw new Error(answer.problem);
  }
  return answer;
}

const ask = async (origin, fields) => read(await send(origin, fields));

/** What to add to the server's clock to get the browser's, from the fastest of some exchanges. */
async function clockOffset(origin) {
  let best = { took: Infinity, offset: 0 };
  for (let round = 0; round < 4; round++) {
    const sent = performance.now();
    const { now } = await ask(origin, { action: "clock" });
    const took = performance.now() - sent;
    if (took < best.took) {
      best = { took, offset: sent + took / 2 - now };
    }
  }
  return best.offset;
}

/** The addresses among which the requests are divided: browsers open no more than six connections to one. */
async function reachableOrigins() {
  const port = page.dataset.secondPort;
  if (port === "") {
    return [location.origin];
  }
  const second = `${location.protocol}//${location.hostname}:${port}`;
  try {
    await ask(second, { action: "clock" });
  } catch {
    return [location.origin];
  }
  return [location.origin, second];
}

/** Runs one mode; `progress` is called with the number of answers. */
async function run(mode, progress) {
  const origins = await reachableOrigins();
  const offset = await clockOffset(location.origin);
  const before = await ask(location.origin, { action: "prepare" });
  const begun = performance.now();
  let answers = 0;

  const request = (number) => {
    const sent = performance.now();
    const origin = origins[(number + 1) % origins.length];
    const response = send(origin, { action: "take-part", mode, number, run: before.run });
    const row = response.then(read).then((times) => {
      const row = { number, reads: times.reads, sent: sent - begun, answered: performance.now() - begun };
      for (const moment of ["arrived", "asked", "started", "ending", "closed"]) {
        row[moment] = times[moment] + offset - begun;
      }
      if (!times.reads && !times.written) {
        throw new Error(`Request ${number} could not write the session.`);
      }
      progress(++answers);
      return row;
    });
    return { response, row };
  };

  const rows = [];
  for (let number = 1; number <= REQUESTS; number++) {
    const { response, row } = request(number);
    rows.push(row);
    if (mode === "readers" && number === 1) {
      // The head of its answer says that the writer has the lock; that it failed is told with its row.
      await response.catch(() => {});
    }
  }
  // A request that is still running must not reach into the next run, also where another one has failed.
  await Promise.allSettled(rows);
  const finished = await Promise.all(rows);
  const after = await ask(location.origin, { action: "outcome" });
  return { mode, rows: finished, origins, ...after, counted: difference(before.figures, after.figures) };
}

/** How much each figure of the store has grown. */
function difference(before, after) {
  return Object.fromEntries(Object.keys(after).map((name) => [name, after[name] - before[name]]));
}

const milliseconds = (value) => Math.max(0, value).toFixed(value < 10 ? 1 : 0);
const seconds = (value) => `${(value / 1000).toFixed(2)} s`;
const duration = (value) => (value < 1000 ? `${milliseconds(value)} ms` : seconds(value));
const span = (rows) => Math.max(...rows.map((row) => row.answered));
const longestWait = (rows) => Math.max(...rows.map((row) => row.started - row.asked));

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  return made;
}

/** One entry for each key: kept, lost, or not written at all. */
function showKeys(result) {
  const entries = result.rows.map((row) => {
    const state = row.reads ? "reader" : result.kept.includes(row.number) ? "kept" : "lost";
    const entry = element("li", state === "reader" ? "read" : state, { class: state, "data-key": row.number });
    entry.prepend(element("strong", `key ${row.number}`));
    return entry;
  });
  byId("keys").replaceChildren(...entries);
}

function showTimes(rows) {
  const lines = rows.map((row) => {
    const line = element("tr", "");
    for (const moment of ["sent", "arrived", "asked", "started", "ending", "closed", "answered"]) {
      line.dataset[moment] = row[moment].toFixed(3);
    }
    line.dataset.reads = row.reads;
    const open = row.reads ? 0 : row.closed - row.started;
    line.append(
      element("th", row.number, { scope: "row" }),
      ...[row.arrived - row.sent, row.started - row.asked, open, row.answered].map((value) =>
        element("td", milliseconds(value)),
      ),
    );
    return line;
  });
  byId("times").replaceChildren(...lines);
}

function compare(result) {
  const writers = result.rows.filter((row) => !row.reads).length;
  const values = [
    seconds(span(result.rows)),
    duration(longestWait(result.rows)),
    `${result.kept.length}/${writers}`,
    `${result.counter}/${writers}`,
  ];
  const cells = document.querySelectorAll(`.compared tr[data-mode="${result.mode}"] td`);
  cells.forEach((cell, index) => (cell.textContent = values[index]));
}

function show(result) {
  const { rows, counted, mode } = result;
  const writers = rows.filter((row) => !row.reads);
  drawn = rows;
  drawnWidth = 0;
  draw();
  byId("legend").hidden = false;
  document.querySelector(".only-readers").hidden = mode !== "readers";
  showKeys(result);
  showTimes(rows);
  compare(result);
  byId("counter").textContent =
    `The counter stands at ${result.counter}; ${writers.length} ${writers.length === 1 ? "request has" : "requests have"} added one.`;
  byId("store").textContent =
    `The store counted ${counted.waits} waits for a lock, ${counted.merges} merges, ` +
    `${counted.merge_conflicts} values that two requests had changed differently.`;
  byId("left").hidden = false;
  const limited =
    result.origins.length > 1
      ? ""
      : " The second port could not be reached: the browser sent six at a time, and the rest waited for a connection.";
  const wait =
    counted.waits === 0 ? "nobody waited for the lock" : `the longest wait for the lock took ${duration(longestWait(rows))}`;
  byId("state").textContent = `All ${rows.length} answered after ${seconds(span(rows))}; ${wait}.${limited}`;
  for (const [name, value] of Object.entries({ ...counted, counter: result.counter, origins: result.origins.length })) {
    page.dataset[name.replace(/_(.)/g, (_, letter) => letter.toUpperCase())] = value;
  }
}

function draw() {
  const place = byId("waterfall");
  if (drawn.length > 0 && place.clientWidth !== drawnWidth) {
    drawnWidth = place.clientWidth;
    drawWaterfall(place, drawn);
  }
}

async function choose(mode) {
  for (const button of buttons) {
    button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    button.disabled = true;
  }
  for (const about of document.querySelectorAll(".about")) {
    about.hidden = about.id !== `about-${mode}`;
  }
  page.dataset.state = "running";
  page.dataset.mode = mode;
  byId("state").textContent = `${REQUESTS} requests are on their way …`;
  try {
    const progress = (answers) => (byId("state").textContent = `${answers} of ${REQUESTS} answered …`);
    show(await run(mode, progress));
    page.dataset.state = "done";
  } catch (error) {
    byId("state").textContent = `This run did not work. ${error.message}`;
    page.dataset.state = "failed";
  }
  for (const button of buttons) {
    button.disabled = false;
  }
  buttons.find((button) => button.dataset.mode === mode).focus({ preventScroll: true });
}

for (const button of buttons) {
  button.addEventListener("click", () => choose(button.dataset.mode));
}
new ResizeObserver(draw).observe(byId("waterfall"));
