// A terminal that only draws. What a SOM prints can colour text and move the cursor; it cannot name the page, reach the
// clipboard, make links, resize anything, or change the colours so that text is hidden.

import { Terminal } from "../../terminal/xterm.js";
import { FitAddon } from "../../terminal/fit.js";

// Operating system commands: names, colours, links, clipboard, notices. All end here.
const COMMANDS = [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 17, 19, 22, 50, 52, 104, 105, 110, 111, 112, 117, 119, 133, 633, 777, 1337];
// Device control strings that ask the terminal for something, or tell it to draw pictures.
const CONTROLS = [{ final: "q" }, { final: "p" }, { final: "|" }, { intermediates: "$", final: "q" }, { intermediates: "+", final: "q" },
  { intermediates: "+", final: "p" }];
const OWN_LINE = new Set(["gap", "daemon-away", "broker-lost", "dropped", "overrun", "port-away", "port-back"]);

const ROOM_TO_TYPE = 16; // columns that a remark leaves after what stands on its line
const LEAST_WIDTH = 4;

const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function theme() {
  return {
    background: token("--term-bg"), foreground: token("--term-fg"), cursor: token("--term-fg"), cursorAccent: token("--term-bg"),
    selectionBackground: "#2f5d7c", black: "#20262b", red: token("--term-red"), green: token("--term-green"),
    yellow: token("--term-yellow"), blue: token("--term-blue"), magenta: token("--term-magenta"), cyan: token("--term-cyan"),
    white: token("--term-fg"), brightBlack: token("--term-dim"), brightRed: token("--term-red"), brightGreen: token("--term-green"),
    brightYellow: token("--term-yellow"), brightBlue: token("--term-blue"), brightMagenta: token("--term-magenta"),
    brightCyan: token("--term-cyan"), brightWhite: "#ffffff", overviewRulerBorder: token("--term-bg"),
    scrollbarSliderBackground: "#343b42aa",
    scrollbarSliderHoverBackground: "#4a535b", scrollbarSliderActiveBackground: "#4a535b",
  };
}

const swallow = () => true;

function seal(term) {
  for (const command of COMMANDS) term.parser.registerOscHandler(command, swallow);
  for (const control of CONTROLS) term.parser.registerDcsHandler(control, swallow);
  term.parser.registerCsiHandler({ final: "t" }, swallow); // size and title of the window
}

// `host` is the element that it fills. Nothing is typed until `term.options.disableStdin` is false.
export function makeTerminal(host, { fontSize = 13, scrollback = 20000, label = "" } = {}) {
  const term = new Terminal({
    allowProposedApi: true, // decorations
    convertEol: false, cursorBlink: false, disableStdin: true, fontFamily: token("--mono"), fontSize, scrollback,
    linkHandler: { activate() {} }, logLevel: "off", overviewRuler: { width: 10 }, minimumContrastRatio: 1, screenReaderMode: false, theme: theme(),
    windowOptions: {},
  });
  seal(term);
  const fit = new FitAddon();
  term.loadAddon(fit);
  term.open(host);
  if (label) term.textarea?.setAttribute("aria-label", label);
  const resize = () => {
    if (host.clientWidth > 40 && host.clientHeight > 20) fit.fit();
  };
  new ResizeObserver(resize).observe(host);
  resize();
  return { term, fit: resize };
}

// What the portal itself says is drawn over the terminal, as an element of the page: no byte of a peer can look so.
function overlay(term, marker, words, ownLine) {
  const free = term.cols - term.buffer.active.cursorX - ROOM_TO_TYPE;
  const width = ownLine ? term.cols : Math.max(LEAST_WIDTH, Math.min(free, words.length + 3));
  const decoration = term.registerDecoration({ marker, anchor: ownLine ? "left" : "right", width, layer: "top" });
  decoration?.onRender((element) => {
    if (element.classList.contains("mark")) return;
    element.classList.add("mark", ownLine ? "whole" : "side");
    element.textContent = words;
    element.title = words;
  });
  return decoration;
}

const isBlank = (term) => {
  const buffer = term.buffer.active;
  return buffer.cursorX === 0 && !buffer.getLine(buffer.baseY + buffer.cursorY)?.translateToString(true);
};

// Shows `words` where the stream is now, then calls `done`. A gap has a line of its own; a remark stands at the right end
// of the line, so that a prompt or a full-screen program is left as its sender drew it. False if it cannot be shown there.
export function mark(term, kind, words, done) {
  const full = term.buffer.active.type === "alternate";
  const ownLine = !full && (OWN_LINE.has(kind) || isBlank(term));
  if (full) {
    done(false);
  } else if (!ownLine) {
    overlay(term, term.registerMarker(0), words, false);
    done(true);
  } else {
    term.write(isBlank(term) ? "" : "\r\n", () => {
      overlay(term, term.registerMarker(0), words, true);
      term.write("\r\n", () => done(true));
    });
  }
}
