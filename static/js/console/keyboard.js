// Who types: taking, taking over and giving back the keyboard, break and SysRq, pasting, and the keys of a phone.
// Until one has the keyboard nothing goes to the line, not even what the terminal would answer to a question in it.

import { announce } from "../toasts.js";
import { startPaste } from "./paste.js";
import { notice } from "./status.js";

const KEYS = { esc: "\x1b", tab: "\t", up: "[A", down: "[B", right: "[C", left: "[D" };
const PASTE_MS = 50;
const ASKED = {
  break: ["Send a break?", "The line is held low for a quarter of a second. A boot loader or kernel may stop for it.", "Send break"],
  b: ["Reboot at once?", "The kernel restarts without syncing or unmounting: what was not written is lost.", "Reboot at once"],
  c: ["Crash the kernel?", "The kernel panics on purpose. It restarts only if it is set up to.", "Crash it"],
};

const encoder = new TextEncoder();

function dialogOf(id, done) {
  const dialog = document.getElementById(id);
  dialog.addEventListener("close", () => dialog.returnValue === "go" && done());
  return (prepare) => {
    prepare?.(dialog);
    dialog.returnValue = "";
    dialog.showModal();
  };
}

export function startKeyboard(root, term, feed, { copy }) {
  const act = document.getElementById("keyboard");
  const word = act.querySelector("span");
  const me = root.dataset.person;
  let lease = { typist: null, yours: false, may: false, whyNot: "" };
  let since = 0; // offset that had arrived when the keyboard came to us
  let control = false; // the Ctrl key of the phone's bar is held
  let wanted = null; // what the open question is about

  const type = (text) => lease.yours && feed.type(encoder.encode(text));

  // As fast as the line takes it: a UART has nowhere to put what comes faster.
  async function paste(text) {
    let rest = text.replaceAll("\n", "\r");
    if (term.modes.bracketedPasteMode) rest = `\x1b[200~${rest}\x1b[201~`;
    const bytes = encoder.encode(rest);
    const size = Math.max(16, Math.floor((Number(root.dataset.baud) / 10) * (PASTE_MS / 1000) * 0.8));
    for (let at = 0; at < bytes.length && lease.yours; at += size) {
      feed.type(bytes.subarray(at, at + size));
      if (at + size < bytes.length) await new Promise((resolve) => setTimeout(resolve, PASTE_MS));
    }
  }

  // What came before one had the keyboard may hold questions to a terminal; drawing it late must not answer them now.
  const isBehind = () => feed.drawn !== null && feed.drawn < since;

  function show() {
    const { typist, yours, may } = lease;
    term.options.disableStdin = !yours || isBehind();
    term.options.cursorBlink = yours;
    root.classList.toggle("typing", yours);
    word.textContent = yours ? "Release keyboard" : !typist ? "Take keyboard" : typist.person === me ? "Type here" : "Take over…";
    act.setAttribute("aria-disabled", String(!may || feed.state !== "live"));
    act.classList.toggle("primary", !yours);
    act.title = may ? "" : `You may watch this console, but not type. ${lease.whyNot}`.trim();
    for (const button of root.querySelectorAll("[data-typist]")) button.setAttribute("aria-disabled", String(!yours));
    document.getElementById("keybar").hidden = !yours;
  }

  function hear({ detail: message }) {
    const had = lease.yours;
    if (message.type === "hello") lease = { typist: message.typist, yours: message.typist?.socket === message.socket, may: message.may_type, whyNot: message.why_not };
    else if (message.type === "lease") lease = { typist: message.typist, yours: message.yours, may: message.may_type, whyNot: message.why_not };
    else if (message.type === "refused") return notice("warn", message.message);
    else return;
    if (lease.yours && !had) since = feed.offset ?? 0;
    show();
    if (message.type !== "lease") return;
    if (had && message.by) {
      const mine = message.by === me ? "You type in another window now" : `${message.by} took the keyboard from you`;
      notice("warn", `${mine}${message.why ? `: “${message.why}”` : "."}`);
    } else if (message.why && !message.by) notice("info", message.why);
    else if (lease.yours) {
      notice("", "");
      announce("You have the keyboard.");
      term.focus();
    }
  }

  const takeOver = dialogOf("take", () => feed.send({ type: "take-over", why: document.getElementById("take-why").value.trim() }));
  const confirm = dialogOf("ask", () => feed.send(wanted));

  function send(message, name) {
    const asked = ASKED[name];
    if (!asked) return feed.send(message), term.focus();
    wanted = message;
    confirm((dialog) => {
      const [title, words, go] = asked;
      dialog.querySelector("h2").textContent = title;
      dialog.querySelector("p").textContent = words;
      dialog.querySelector("[value=go]").textContent = go;
    });
  }

  act.addEventListener("click", () => {
    if (act.getAttribute("aria-disabled") === "true") return;
    if (lease.yours) return void feed.send({ type: "release" });
    if (!lease.typist || lease.typist.person === me) return void feed.send({ type: "take", why: "" });
    takeOver((dialog) => {
      dialog.querySelector("h2").textContent = `Take the keyboard of slot ${root.dataset.slot} from ${lease.typist.person}?`;
      for (const place of dialog.querySelectorAll("[data-who]")) place.textContent = lease.typist.person;
      document.getElementById("take-why").value = "";
    });
  });
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-sysrq], [data-key-send], [data-control]");
    if (!button || button.getAttribute("aria-disabled") === "true") return;
    if (button.dataset.sysrq) send({ type: "sysrq", key: button.dataset.sysrq }, button.dataset.sysrq);
    if (button.dataset.keySend) {
      const key = KEYS[button.dataset.keySend];
      type(key.startsWith("[") ? (term.modes.applicationCursorKeysMode ? `\x1bO${key[1]}` : `\x1b${key}`) : key);
      term.focus();
    }
    if ("control" in button.dataset) {
      control = !control;
      button.setAttribute("aria-pressed", String(control));
      term.focus();
    }
  });

  // The keyboard of a phone has no Ctrl: the bar's holds for one letter.
  term.onData((text) => {
    if (control && text.length === 1) {
      control = false;
      root.querySelector("[data-control]").setAttribute("aria-pressed", "false");
      const code = text.toUpperCase().charCodeAt(0);
      return type(code >= 64 && code < 96 ? String.fromCharCode(code - 64) : text);
    }
    type(text);
  });
  term.onBinary((text) => lease.yours && feed.type(Uint8Array.from(text, (letter) => letter.charCodeAt(0))));
  term.attachCustomKeyEventHandler((event) => {
    if (event.type !== "keydown") return true;
    if (event.ctrlKey && event.shiftKey && event.key === "Escape") return act.focus(), event.preventDefault(), false;
    if (event.ctrlKey && event.shiftKey && event.key.toUpperCase() === "C") return event.preventDefault(), copy(), false;
    if (event.ctrlKey && event.shiftKey && event.key.toUpperCase() === "V") return false; // the browser pastes
    if (!lease.yours && !event.ctrlKey && !event.altKey && !event.metaKey && (event.key.length === 1 || event.key === "Enter")) {
      notice("info", lease.may ? "You are watching. Take the keyboard to type." : act.title);
    }
    return true;
  });
  feed.addEventListener("message", hear);
  feed.addEventListener("moved", () => {
    if (lease.yours && term.options.disableStdin) show();
  });
  feed.addEventListener("state", ({ detail }) => {
    if (detail.state !== "live") lease = { ...lease, yours: false };
    show();
  });
  const pasteByHand = startPaste(document.getElementById("term"), { send: paste, mayType: () => lease.yours });
  show();
  return { break: () => send({ type: "break" }, "break"), paste: pasteByHand };
}
