// One console, large: the terminal, its tools, who is here and who types.

import { SearchAddon } from "../../terminal/search.js";
import { announce } from "../toasts.js";
import { Feed } from "./feed.js";
import { startKeyboard } from "./keyboard.js";
import { startStatus } from "./status.js";
import { makeTerminal } from "./terminal.js";

const FONT = { least: 8, most: 24, usual: 13, key: "console-font" };
const FOUND = { matchBackground: "#5a4a1c", activeMatchBackground: "#e9c46f", matchOverviewRuler: "#e9c46f",
  activeMatchColorOverviewRuler: "#ffffff" };

function keptFont() {
  try {
    return Number(localStorage.getItem(FONT.key)) || (matchMedia("(max-width: 48rem)").matches ? 11 : FONT.usual);
  } catch {
    return FONT.usual;
  }
}

function startFont({ term, fit }) {
  const change = (step) => {
    const size = Math.min(FONT.most, Math.max(FONT.least, term.options.fontSize + step));
    term.options.fontSize = size;
    fit();
    try {
      localStorage.setItem(FONT.key, String(size));
    } catch {
      // Storage is switched off: the size holds for this page.
    }
  };
  return { smaller: () => change(-1), larger: () => change(1) };
}

function startFind(term) {
  const search = new SearchAddon();
  term.loadAddon(search);
  const place = document.getElementById("find");
  const field = place.querySelector("input");
  const count = place.querySelector("[data-count]");
  const options = { decorations: FOUND };
  search.onDidChangeResults(({ resultIndex, resultCount }) => {
    count.textContent = resultCount ? `${resultIndex + 1} of ${resultCount}` : field.value ? "none" : "";
  });
  field.addEventListener("input", () => search.findPrevious(field.value, { ...options, incremental: true }));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter") search[event.shiftKey ? "findNext" : "findPrevious"](field.value, options);
    if (event.key === "Escape") toggle(false);
  });
  function toggle(open = place.hidden) {
    place.hidden = !open;
    if (open) return field.select(), field.focus();
    search.clearDecorations();
    term.focus();
  }
  return {
    find: () => toggle(),
    "find-older": () => search.findPrevious(field.value, options),
    "find-newer": () => search.findNext(field.value, options),
    "find-close": () => toggle(false),
  };
}

async function copy(term) {
  const text = term.getSelection();
  if (!text) return announce("Nothing is selected.");
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    term.focus(); // without a secure context the browser copies only what has the focus
    document.execCommand("copy");
  }
  announce("Copied.");
}

function popOut(root) {
  const url = new URL(location.pathname, location.href);
  url.searchParams.set("window", "1");
  window.open(url, `console-${root.dataset.board}-${root.dataset.slot}`, "popup,width=900,height=600");
}

function startTools(root, acts) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-tool]");
    if (!button || button.getAttribute("aria-disabled") === "true") return;
    acts[button.dataset.tool]?.();
  });
}

function start() {
  const root = document.getElementById("console");
  const host = document.getElementById("term");
  if (!host) return; // not mapped, or not allowed
  const made = makeTerminal(host, { fontSize: keptFont(), label: `Console of slot ${root.dataset.slot}` });
  const { term } = made;
  const feed = new Feed(root.dataset.socket, term);
  const keyboard = startKeyboard(root, term, feed, { copy: () => copy(term) });
  startStatus(root, term, feed);
  startTools(root, {
    ...startFont(made), ...startFind(term), ...keyboard,
    copy: () => copy(term), clear: () => term.clear(), reconnect: () => feed.reconnect(), popout: () => popOut(root),
  });
  window.addEventListener("pagehide", () => feed.close());
  window.addEventListener("pageshow", (event) => event.persisted && feed.reconnect());
  feed.open();
}

start();
