// The live connection. The server sends hints ("slot 3 of demo changed"); panels that care re-read themselves.
// While it is lost everything stays readable, nothing acts, and the page says for how long.

import { now, span, timeOfDay } from "./clock.js";
import { announce } from "./toasts.js";

const LEAST_BETWEEN_READS_MS = 250; // per panel
const BACK_OFF_SECONDS = [1, 2, 4, 8, 15];
const PING_MS = 5000;
const SILENCE_MS = 12000; // a controller that lost power never says goodbye
const NOT_ALLOWED = 4403;

const ACTING = ":is(main, #dialog-host) form[method=post] button:not([type=button]), [data-dialog]:not(.menu *), [data-acts]";

let socket = null;
let lostAt = null;
let nextTry = 0;
let tries = 0;
let wasOpen = false;
let heardAt = 0;
let pingedAt = 0;
let leaving = false;

// ---- Hints to panels

const panels = new Map(); // id -> {last, timer, reading, again}

function keysOf(hint) {
  const keys = [hint.topic];
  if (hint.board) keys.push(`board:${hint.board}`, `${hint.topic}@${hint.board}`);
  if (hint.board && hint.slot) keys.push(`slot:${hint.board}:${hint.slot}`);
  if (hint.operation) keys.push(`operation:${hint.operation}`);
  if (hint.run) keys.push(`run:${hint.run}`);
  return keys;
}

function received(hint) {
  const keys = keysOf(hint);
  for (const panel of document.querySelectorAll("[data-live]")) {
    if (panel.dataset.live.split(" ").some((key) => keys.includes(key))) refresh(panel.id);
  }
}

function refreshAll() {
  for (const panel of document.querySelectorAll("[data-live]")) refresh(panel.id);
}

// At most four times a second per panel; a hint that comes during a read causes one more.
function refresh(id) {
  const state = panels.get(id) ?? { last: -LEAST_BETWEEN_READS_MS, timer: 0, reading: false, again: false };
  panels.set(id, state);
  if (state.reading) state.again = true;
  if (state.reading || state.timer) return;
  const wait = Math.max(0, state.last + LEAST_BETWEEN_READS_MS - performance.now());
  state.timer = setTimeout(() => {
    state.timer = 0;
    state.last = performance.now();
    const panel = document.getElementById(id);
    if (!panel) return void panels.delete(id);
    if (isSending(panel)) return void refresh(id);
    if (isInUse(panel)) return void offerNewer(panel);
    state.reading = true;
    window.htmx.ajax("GET", panel.dataset.from, { source: panel, target: panel, swap: "outerHTML" })
      .catch(() => {}) // a panel that could not be re-read keeps what it shows; the next hint tries again
      .finally(() => wasRead(id, state));
  }, wait);
}

function wasRead(id, state) {
  const again = state.again;
  state.reading = state.again = false;
  if (again) refresh(id);
}

// A hint may be lost, and ages are only as true as the last reading: such panels are re-read anyway.
function refreshOld() {
  if (document.hidden) return;
  for (const panel of document.querySelectorAll("[data-reread]")) {
    const last = panels.get(panel.id)?.last ?? 0;
    if (performance.now() - last > 1000 * Number(panel.dataset.reread) && !isInUse(panel)) refresh(panel.id);
  }
}

// ---- Nothing moves under the finger

let pressed = null;
const WRITABLE = "input:not([type=checkbox], [type=radio]), textarea, select";

function isInUse(panel) {
  if ("force" in panel.dataset) return false;
  const focused = panel.contains(document.activeElement) ? document.activeElement : null;
  const selection = document.getSelection();
  return Boolean(
    (focused && (focused.matches(WRITABLE) || !focused.id)) // htmx gives the focus back by id
    || (pressed && panel.contains(pressed))
    || panel.querySelector("dialog[open], details.menu[open]")
    || (!selection.isCollapsed && panel.contains(selection.anchorNode))
    || (panel.matches("[data-hold]:is(:hover, :focus-within)")),
  );
}

// A form whose answer is awaited must still be there when it comes, or a refusal would have nowhere to go.
const isSending = (panel) => panel.querySelector("form[data-sent]") !== null;

function offerNewer(panel) {
  if (panel.querySelector(":scope > .newer")) return;
  panel.prepend(document.getElementById("newer").content.firstElementChild.cloneNode(true));
}

function showNewer(panel) {
  panel.dataset.force = "";
  refresh(panel.id);
}

function showNewerWhereFree() {
  for (const mark of document.querySelectorAll("[data-live] > .newer")) {
    if (!isInUse(mark.parentElement)) refresh(mark.parentElement.id);
  }
}

function watchHands() {
  document.addEventListener("pointerdown", (event) => { pressed = event.target; });
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, () => { pressed = null; });
  document.addEventListener("click", (event) => {
    if (event.target.closest('[data-do="show-newer"]')) showNewer(event.target.closest("[data-live]"));
    if (event.target.closest('[data-do="reconnect"]')) connect();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, requestConfig, shouldSwap } = event.detail;
    if (requestConfig.elt !== target || !shouldSwap) return; // the answer to an act is always shown
    if (!isSending(target) && !isInUse(target)) return;
    event.detail.shouldSwap = false;
    if (isSending(target)) refresh(target.id);
    else offerNewer(target);
  });
}

// ---- Connected and lost

function show(state, text) {
  const place = document.getElementById("connection");
  place.dataset.connection = state;
  if (place.firstElementChild.textContent !== text) place.firstElementChild.textContent = text;
}

function showLost() {
  const seconds = (now() - lostAt) / 1000;
  show("lost", `Lost ${span(seconds)}`);
  document.querySelector("[data-lost-for]").textContent = span(seconds);
  const wait = nextTry === Infinity ? 0 : (nextTry - now()) / 1000;
  document.querySelector("[data-lost-next]").textContent = span(wait);
}

function setActing(possible) {
  for (const button of document.querySelectorAll(possible ? "[data-lost]" : ACTING)) {
    if (!possible && button.getAttribute("aria-disabled") !== "true") {
      button.setAttribute("aria-disabled", "true");
      button.setAttribute("data-lost", "");
    } else if (possible) {
      button.removeAttribute("aria-disabled");
      button.removeAttribute("data-lost");
    }
  }
}

function opened() {
  const wasLost = lostAt !== null;
  lostAt = null;
  tries = 0;
  wasOpen = true;
  heardAt = pingedAt = now();
  show("live", "Live");
  document.getElementById("lost").hidden = true;
  setActing(true);
  if (wasLost) announce("Connected again.");
  refreshAll(); // also the first time: something may have changed since the page was made
}

function closed(event) {
  if (leaving || event.target !== socket) return;
  if (event.code === NOT_ALLOWED) return signIn();
  if (!wasOpen) signInIfSignedOut();
  lose();
}

function lose() {
  socket = null;
  wasOpen = false;
  if (lostAt === null) {
    lostAt = now();
    document.querySelector("[data-lost-at]").textContent = timeOfDay(lostAt);
    document.getElementById("lost").hidden = false;
    setActing(false);
    announce("Connection to the portal lost. Acting waits until it is back.");
  }
  nextTry = now() + 1000 * BACK_OFF_SECONDS[Math.min(tries, BACK_OFF_SECONDS.length - 1)];
  tries += 1;
  showLost();
}

function heard(event) {
  heardAt = now();
  const hint = JSON.parse(event.data);
  if (hint.topic !== "pong") received(hint);
}

function signIn() {
  const next = encodeURIComponent(location.pathname + location.search);
  location.assign(`${document.body.dataset.login}?next=${next}`);
}

// A socket that is refused outright looks like a dead portal; a page that redirects to the sign-in tells them apart.
async function signInIfSignedOut() {
  const answer = await fetch(document.body.dataset.account, { method: "HEAD", redirect: "manual" }).catch(() => null);
  if (answer?.type === "opaqueredirect") signIn();
}

function connect() {
  socket?.close();
  nextTry = Infinity; // until this try has ended
  socket = new WebSocket(new URL(document.body.dataset.events, location.href.replace(/^http/, "ws")));
  socket.addEventListener("open", opened);
  socket.addEventListener("message", heard);
  socket.addEventListener("close", closed);
}

function everySecond() {
  if (lostAt !== null) {
    showLost();
    if (now() >= nextTry) connect();
  } else if (wasOpen && now() - heardAt > SILENCE_MS) {
    socket.close();
    lose();
  } else if (wasOpen && now() - pingedAt > PING_MS) {
    pingedAt = now();
    socket.send('{"ping": true}');
  }
  if (wasOpen) refreshOld();
}

export function startLive() {
  if (!document.body.dataset.events) return; // somebody who may see nothing yet is told of nothing
  watchHands();
  document.addEventListener("focusout", () => setTimeout(showNewerWhereFree, LEAST_BETWEEN_READS_MS));
  document.addEventListener("pointerleave", (event) => {
    if (event.target.matches?.("[data-hold]")) showNewerWhereFree();
  }, true); // does not bubble
  document.addEventListener("toggle", () => setTimeout(showNewerWhereFree, LEAST_BETWEEN_READS_MS), true);
  window.addEventListener("pagehide", () => { leaving = true; });
  window.addEventListener("pageshow", (event) => {
    leaving = false;
    if (event.persisted) connect();
  });
  connect();
  setInterval(everySecond, 1000);
}
