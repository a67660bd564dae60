// Keeps the board live. The server sends what is to be seen, ready to show; here it is only put in its place,
// as text, never as markup.

const SILENCE_MS = 12_000; // the server speaks every five seconds, if only to say that nothing is new
const LONGEST_WAIT_MS = 15_000;
const LINES_KEPT = 40;
const BUSY_LINES = 5; // more at once are neither read aloud nor lit up

const board = document.querySelector("[data-events]");
const ticker = board.querySelector("[data-ticker]");
const link = board.querySelector("[data-link]");
const linkText = board.querySelector("[data-link-text]");
const waitingText = board.querySelector("[data-waiting-text]");
const pauseButton = board.querySelector("[data-pause-button]");
const say = board.dataset;

// --- putting values in their place

const at = (value, path) => path.split(".").reduce((found, name) => found?.[name], value);

function write(element, text) {
  text = text ?? "";
  if (element.textContent === text) return false;
  element.textContent = text;
  return true;
}

function set(element, name, value) {
  value = String(value ?? "");
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function each(root, name, act) {
  if (root.dataset?.[name] !== undefined) act(root, root.dataset[name]);
  const attribute = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  for (const element of root.querySelectorAll(`[data-${attribute}]`)) act(element, element.dataset[name]);
}

function fillRow(row, values) {
  each(row, "text", (element, path) => write(element, at(values, path)));
  each(row, "width", (element, path) => set(element, "width", at(values, path) || 0));
  each(row, "href", (element, path) => set(element, "href", at(values, path)));
  each(row, "when", (element, path) => (element.hidden = !at(values, path)));
  each(row, "tone", (element, path) => set(element, "class", `fact tone-${at(values, path)}`));
}

function newRow(template, values) {
  const row = document.getElementById(template).content.firstElementChild.cloneNode(true);
  row.dataset.key = values.key;
  fillRow(row, values);
  return row;
}

function fillList(list, items) {
  const known = new Map([...list.children].map((row) => [row.dataset.key, row]));
  items.forEach((values, place) => {
    let row = known.get(values.key);
    known.delete(values.key);
    if (row) fillRow(row, values);
    else row = newRow(list.dataset.row, values);
    if (list.children[place] !== row) list.insertBefore(row, list.children[place] ?? null);
  });
  for (const row of known.values()) row.remove();
}

function flash(element) {
  element.classList.remove("changed");
  void element.offsetWidth; // so that the animation begins anew
  element.classList.add("changed");
}

let first = true;

function showState(state) {
  each(board, "state", (element, path) => {
    if (write(element, at(state, path)) && !first && element.dataset.flash !== undefined) flash(element);
  });
  each(board, "list", (list, path) => fillList(list, at(state, path)));
  each(board, "show", (element, path) => (element.hidden = !at(state, path)));
  each(board, "hide", (element, path) => (element.hidden = Boolean(at(state, path))));
  each(board, "points", (element, path) => set(element, "points", at(state, path)));
  each(board, "label", (element, path) => set(element, "aria-label", at(state, path)));
  each(board, "emptyState", (element, path) => set(element, "data-empty", at(state, path) ? "yes" : "no"));
  each(board, "lampState", (element, path) => set(element, "data-lamp", at(state, path)));
  first = false;
}

// --- the ticker

let paused = false;
let waiting = [];
let skipped = 0;

const held = () => paused || ticker.matches(":focus-within") || ticker.matches(":hover");

function takeFacts(facts) {
  skipped = facts.skipped;
  waiting = [...facts.items, ...waiting].slice(0, LINES_KEPT);
  showFacts();
}

function showFacts() {
  if (!held()) {
    const known = new Set([...ticker.children].map((row) => row.dataset.key));
    const lines = waiting.filter((line) => !known.has(line.key) && known.add(line.key));
    ticker.setAttribute("aria-live", lines.length > BUSY_LINES ? "off" : "polite");
    const rows = lines.map((line) => newRow("ticker-row", line));
    if (rows.length <= BUSY_LINES) for (const row of rows) row.classList.add("new");
    ticker.prepend(...rows);
    while (ticker.children.length > LINES_KEPT) ticker.lastElementChild.remove();
    waiting = [];
  }
  const count = waiting.length;
  waitingText.hidden = count === 0 && skipped === 0;
  write(waitingText, count ? say.waiting.replace("{n}", count) : say.skipped.replace("{n}", skipped));
  board.querySelector("[data-ticker-none]").hidden = ticker.children.length > 0;
}

pauseButton.hidden = false;
pauseButton.addEventListener("click", () => {
  paused = !paused;
  pauseButton.setAttribute("aria-pressed", String(paused));
  write(pauseButton, paused ? say.resume : say.pause);
  showFacts();
});
ticker.addEventListener("pointerleave", showFacts);
ticker.addEventListener("focusout", () => setTimeout(showFacts));

// --- the connection

let source = null;
let heard = performance.now();
let asOf = "";
let failures = 0;
let reopening = 0;

function showLink(state) {
  if (link.dataset.link === state && linkText.textContent) return;
  link.dataset.link = state;
  board.classList.toggle("stale", state === "lost");
  const since = asOf && state === "lost" ? say.lostSince.replace("{since}", asOf) : "";
  write(linkText, say[state] + since);
}

function hear(act) {
  return (message) => {
    heard = performance.now();
    failures = 0;
    showLink("on");
    const data = JSON.parse(message.data);
    if (data.as_of) asOf = data.as_of;
    act(data);
  };
}

function open() {
  clearTimeout(reopening);
  source?.close();
  heard = performance.now();
  source = new EventSource(board.dataset.events);
  source.addEventListener("state", hear(showState));
  source.addEventListener("facts", hear(takeFacts));
  source.addEventListener("beat", hear(({ as_of_text }) => as_of_text && write(board.querySelector("[data-state=as_of_text]"), as_of_text)));
  source.addEventListener("error", () => {
    showLink("lost");
    if (source.readyState === EventSource.CLOSED) reopen();
  });
}

function reopen() {
  const wait = Math.min(LONGEST_WAIT_MS, 1000 * 2 ** failures++) * (0.5 + Math.random());
  clearTimeout(reopening);
  reopening = setTimeout(open, wait);
}

setInterval(() => {
  if (performance.now() - heard > SILENCE_MS) {
    showLink("lost");
    open();
  }
}, 1000);

showLink("connecting");
open();
