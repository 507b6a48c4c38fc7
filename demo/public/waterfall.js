/* Draws requests as a waterfall: one line each, time from left to right, in the width that the page has for it. */

const SVG = "http://www.w3.org/2000/svg";
const ROW = 24;
const BAR = 14;
const LEFT = 30;
const RIGHT = 12;
const TOP = 8;
const AXIS = 26;

/** Below this a wait is shorter than the line that would show it. */
const VISIBLE = 0.5;

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) {
    made.setAttribute(key, value);
  }
  if (text !== undefined) {
    made.textContent = text;
  }
  return made;
}

/** The distance of the lines of time: a round number that leaves room for what is written below them. */
function step(length, width) {
  const most = Math.max(2, Math.floor(width / 60));
  return [10, 20, 50, 100, 200, 250, 500, 1000, 2000, 5000, 10000].find((size) => length / size <= most) ?? 30000;
}

/** A bar of waiting, with stripes so that it does not depend on its colour. */
function striped(x, y, width) {
  const group = shape("g", {});
  group.append(shape("rect", { class: "waits", x, y, width, height: BAR, rx: Math.min(3, width / 2) }));
  let path = "";
  for (let at = x + 4; at + 6 < x + width; at += 8) {
    path += `M${at.toFixed(1)} ${y + BAR - 2}l5 ${4 - BAR}`;
  }
  group.append(shape("path", { class: "stripes", d: path }));
  return group;
}

function describe(row) {
  const waited = Math.round(row.started - row.asked);
  const lock = row.reads ? "reads without the lock" : waited < 1 ? "does not wait" : `waits ${waited} ms for the lock`;
  return `Request ${row.number} ${lock}, answered after ${Math.round(row.answered)} ms`;
}

/** One line: the way there, the wait, the session, the way back. */
function line(row, y, x) {
  const group = shape("g", { "data-number": row.number });
  const middle = y + ROW / 2;
  const top = middle - BAR / 2;
  const width = (from, to) => Math.max(1.5, x(to) - x(from));
  const way = (from, to) => shape("path", { class: "way", d: `M${x(from)} ${middle}H${Math.max(x(from), x(to))}` });
  group.append(shape("title", {}, describe(row)));
  group.append(shape("text", { class: "number", x: LEFT - 8, y: middle + 4, "text-anchor": "end" }, row.number));
  group.append(way(row.sent, row.asked), way(row.closed, row.answered));
  if (row.started - row.asked >= VISIBLE) {
    group.append(striped(x(row.asked), top, width(row.asked, row.started)));
  }
  const kind = row.reads ? "reads" : "open";
  group.append(
    shape("rect", { class: kind, x: x(row.started), y: top, width: width(row.started, row.closed), height: BAR, rx: 3 }),
  );
  return group;
}

/** Replaces what is in `place` by the picture of `rows`. */
export function drawWaterfall(place, rows) {
  const width = Math.max(280, place.clientWidth);
  const bottom = TOP + rows.length * ROW;
  const length = Math.max(...rows.map((row) => row.answered));
  const x = (time) => LEFT + (Math.max(0, time) / length) * (width - LEFT - RIGHT);
  const picture = shape("svg", {
    viewBox: `0 0 ${width} ${bottom + AXIS}`,
    role: "img",
    "aria-label": rows.map(describe).join("; "),
  });
  const distance = step(length, width - LEFT - RIGHT);
  for (let time = 0; time <= length; time += distance) {
    picture.append(shape("path", { class: "grid", d: `M${x(time)} ${TOP}V${bottom}` }));
    const anchor = time === 0 ? "start" : x(time) > width - 40 ? "end" : "middle";
    picture.append(shape("text", { x: x(time), y: bottom + 18, "text-anchor": anchor }, time === 0 ? "0 ms" : time));
  }
  rows.forEach((row, index) => picture.append(line(row, TOP + index * ROW, x)));
  place.replaceChildren(picture);
}
