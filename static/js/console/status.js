// What is said around a terminal: the connection, the port, people, the boot stage, what is missing.

import { now, span, timeOfDay } from "../clock.js";

// stage -> its state, icon and word
const STAGES = {
  "boot-loader": ["up", "up", "boot loader"], kernel: ["up", "up", "kernel"], login: ["on", "on", "login prompt"],
  panic: ["fail", "fail", "panic"], halt: ["off", "off", "halted"],
};
const RATE_MS = 2000;

const grouped = (count) => count.toLocaleString("en-GB").replaceAll(",", " ");

// The strip above the terminal; without words it goes.
export function notice(tone, words) {
  const strip = document.getElementById("notice");
  if (!strip) return;
  strip.hidden = !words;
  strip.dataset.state = tone === "info" ? "run" : tone;
  strip.querySelector("[data-words]").textContent = words;
}

function icon(name, classes = "i") {
  const use = document.querySelector("svg.i use").getAttribute("href").split("#")[0];
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", classes);
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS("http://www.w3.org/2000/svg", "use"));
  svg.firstChild.setAttribute("href", `${use}#i-${name}`);
  return svg;
}

function person({ name, mode, mine }) {
  const row = document.createElement("li");
  if (mode === "type") row.className = "typing";
  const words = mode === "type" ? `${mine ? "you type" : `${name} types`}` : `${name}${mine ? " (you)" : ""}`;
  row.append(icon(mode === "type" ? "keyboard" : "eye"), words);
  return row;
}

// Everybody once, whoever types first; `socket` is this page's own.
export function showPeople(lists, people, me) {
  const byName = new Map();
  for (const { person: name, mode } of people) {
    if (mode === "type" || !byName.has(name)) byName.set(name, { name, mode, mine: name === me });
  }
  const rows = [...byName.values()].sort((a, b) => Number(b.mode === "type") - Number(a.mode === "type"));
  for (const list of lists) list.replaceChildren(...rows.map(person));
  return rows;
}

export function portTrouble(port) {
  if (port.reach && port.reach !== "ok") return port.problem;
  if (port.state === "away") return `The port is away: ${port.problem || "it is looked for every 2 s."}`;
  if (port.state === "lent") return "The port is lent to another job; it comes back by itself.";
  if (port.recording === "stopped") return `Not recorded: ${port.recording_problem}`;
  return "";
}

// What `feed` says of the port, and of the people as they come, go and type.
export function followCompany(feed, showPort, showCompany) {
  let people = [];
  feed.addEventListener("message", ({ detail: message }) => {
    if (message.type === "hello") {
      showPort(message.port);
      people = message.present;
    } else if (message.type === "port") showPort(message);
    else if (message.type === "presence") people = message.people;
    else if (message.type === "lease") {
      people = people.map((one) => ({ ...one, mode: one.socket === message.typist?.socket ? "type" : "watch" }));
    } else return;
    showCompany(people);
  });
}

function showStage(place, stage) {
  place.hidden = !stage;
  if (!stage) return;
  const [state, name, word] = STAGES[stage.stage] ?? ["unknown", "unknown", stage.stage];
  place.dataset.state = state;
  const age = document.createElement("time");
  age.dateTime = stage.at;
  age.dataset.age = "";
  age.textContent = span((now() - Date.parse(stage.at)) / 1000);
  place.replaceChildren(icon(name), word, age, "ago");
  place.title = stage.words;
}

export function startStatus(root, term, feed) {
  const at = (name) => root.querySelector(`[data-status="${name}"]`);
  const me = root.dataset.person;
  const since = timeOfDay(now());
  let rateFrom = { time: performance.now(), offset: null };
  let trouble = "";

  function showPort(port) {
    if (port.baud) {
      at("baud").textContent = `${port.baud} 8N1`;
      root.dataset.baud = port.baud;
    }
    if (port.path) {
      at("path").textContent = port.path.length > 44 ? `${port.path.slice(0, 20)}…${port.path.slice(-22)}` : port.path;
      at("path").title = port.path;
    }
    at("recording").textContent = { on: "recorded", off: "not recorded", stopped: "recording stopped" }[port.recording] ?? "";
    showStage(at("stage"), port.stage);
    const words = portTrouble(port);
    if (words !== trouble) {
      trouble = words;
      const strip = document.getElementById("trouble");
      strip.hidden = !words;
      strip.querySelector("[data-words]").textContent = words;
    }
  }

  function showMissing() {
    const words = feed.unknown ? `an unknown number of bytes missing since ${since}`
      : feed.missing ? `${grouped(feed.missing)} bytes missing since ${since}` : `nothing missing since ${since}`;
    at("missing").textContent = words;
    at("missing").classList.toggle("wrn", feed.unknown || feed.missing > 0);
  }

  function showOffset() {
    if (feed.drawn !== null) at("offset").textContent = `offset ${grouped(feed.drawn)}`;
    at("size").textContent = `${term.cols} × ${term.rows}`;
    at("size").title = `On the SOM: stty cols ${term.cols} rows ${term.rows}`;
  }

  setInterval(() => {
    const time = performance.now();
    if (feed.drawn !== null && rateFrom.offset !== null && time - rateFrom.time >= RATE_MS) {
      const rate = Math.round((1000 * (feed.drawn - rateFrom.offset)) / (time - rateFrom.time));
      at("rate").textContent = `${grouped(Math.max(0, rate))} bytes/s`;
    }
    if (time - rateFrom.time >= RATE_MS) rateFrom = { time, offset: feed.drawn };
    showOffset();
    showMissing();
  }, 1000);

  followCompany(feed, showPort, (people) => {
    const rows = showPeople(root.querySelectorAll("[data-people]"), people, me);
    for (const place of root.querySelectorAll("[data-people-count]")) place.textContent = String(rows.length);
  });
  feed.addEventListener("state", ({ detail }) => {
    const place = at("link");
    place.dataset.connection = { live: "live", connecting: "waiting" }[detail.state] ?? "lost";
    place.textContent = detail.state === "live" ? "Live" : detail.words;
    if (detail.state === "refused") notice("fail", detail.words);
  });
  feed.addEventListener("remark", ({ detail }) => notice("info", detail.words));
  feed.addEventListener("moved", showOffset);
  term.onResize(showOffset);
  showMissing();
}
