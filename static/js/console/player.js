// Plays a recording with its real timing. A moment is shown by drawing, at once, the 64 KiB that came before it, however
// long before: what stood on the terminal then.

import { clock, dayAndClock, drawTimeline, isEvent, stagesOf } from "./timeline.js";
import { makeTerminal, mark } from "./terminal.js";

const STEP_SECONDS = 5; // of an arrow key; with Shift
const LONG_STEP_SECONDS = 60;
const DRAG_MS = 80; // that the slider stands still before its moment is read
const QUIET_SECONDS = 3; // after which a silence may be skipped
const AHEAD = 400; // records that are kept ready
const STEPS = 1000; // of the slider
const STAGE_WORDS = { "boot-loader": "Boot loader", kernel: "Kernel", login: "System up", panic: "Panic", halt: "Halted" };

const decode = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const json = (id) => JSON.parse(document.getElementById(id).textContent);

class Player {
  constructor(root) {
    this.root = root;
    this.line = json("timeline-data");
    this.start = this.line.stretches[0].start;
    this.end = this.line.stretches.at(-1).end;
    ({ term: this.term } = makeTerminal(document.getElementById("term"), { label: `Recording of slot ${root.dataset.slot}` }));
    this.speed = 1;
    this.playing = false;
    this.records = [];
    this.following = null; // cursor of what comes after them
    this.wish = 0; // number of the newest seek; older ones give up
    this.drawing = Promise.resolve();
    this.window = { from: this.start, to: this.end };
  }

  async fetch(query) {
    const answer = await fetch(`${this.root.dataset.data}?${new URLSearchParams(query)}`);
    if (!answer.ok) throw new Error(`The recording could not be read (status ${answer.status}).`);
    return answer.json();
  }

  // One record after the other, as the terminal takes them.
  draw(record) {
    this.drawing = this.drawing.then(() => new Promise((resolve) => {
      if (record.m) mark(this.term, record.m.kind, record.m.words, resolve);
      else this.term.write(decode(record.d), resolve);
    }));
    return this.drawing;
  }

  // Shows the moment `at`; goes on playing if it did. Of two at once the newer counts.
  async seek(at) {
    const wish = (this.wish += 1);
    this.loading = true;
    this.at = Math.min(this.end, Math.max(this.start, at));
    this.show();
    try {
      await this.load(wish);
    } catch (error) {
      if (wish === this.wish) this.say(error.message);
    }
    if (wish === this.wish) {
      this.loading = false;
      this.last = performance.now();
      this.show();
    }
  }

  // What stood on the terminal then, however long before it was said; then what was said at that very moment.
  async load(wish) {
    let page = await this.fetch({ at: new Date(this.at * 1000).toISOString() });
    if (wish !== this.wish) return;
    await this.drawing;
    this.term.reset();
    this.records = [];
    for (let later = -1; wish === this.wish; ) {
      later = page.records.findIndex((record) => record.t > this.at);
      for (const record of later < 0 ? page.records : page.records.slice(0, later)) this.draw(record);
      await this.drawing;
      this.following = page.next;
      if (later >= 0) this.records = page.records.slice(later);
      if (later >= 0 || !page.next) return;
      page = await this.fetch({ cursor: page.next });
    }
  }

  async fill() {
    if (this.filling || !this.following || this.records.length > AHEAD) return;
    this.filling = true;
    const wish = this.wish;
    try {
      const page = await this.fetch({ cursor: this.following });
      if (wish === this.wish) {
        this.records.push(...page.records);
        this.following = page.next;
      }
    } catch (error) {
      this.toggle(false);
      this.say(error.message);
    } finally {
      this.filling = false;
    }
  }

  tick() {
    if (!this.playing || this.loading) return;
    const time = performance.now();
    this.at += ((time - this.last) / 1000) * this.speed;
    this.last = time;
    while (this.records.length && this.records[0].t <= this.at) this.draw(this.records.shift());
    this.fill();
    if (!this.records.length && !this.following && this.at >= this.end) {
      this.at = this.end;
      this.toggle(false);
    }
    this.show();
  }

  toggle(playing = !this.playing) {
    if (playing && this.at >= this.end) return void this.seek(this.start).then(() => this.toggle(true));
    this.playing = playing;
    this.last = performance.now();
    const button = this.root.querySelector("[data-play]");
    button.querySelector("span").textContent = playing ? "Pause" : "Play";
    const use = button.querySelector("use");
    use.setAttribute("href", use.getAttribute("href").replace(/#.*/, playing ? "#i-pause" : "#i-play"));
    if (!playing) this.remember();
    this.show();
  }

  // The nearest boot, panic or gap after this moment, or before it.
  event(later) {
    const times = this.line.markers.filter(isEvent).map((one) => one.at).sort((a, b) => a - b);
    return later ? times.find((at) => at > this.at + 0.001) : times.findLast((at) => at < this.at - 0.001);
  }

  skip() {
    if (this.records.length) this.at = this.records[0].t;
    this.last = performance.now();
  }

  // The address then leads here again.
  remember() {
    const url = new URL(location.href);
    url.searchParams.set("at", new Date(this.at * 1000).toISOString());
    history.replaceState(null, "", url);
  }

  zoom(seconds) {
    const whole = this.end - this.start;
    if (!seconds || seconds >= whole) this.window = { from: this.start, to: this.end };
    else {
      const from = Math.min(Math.max(this.start, this.at - seconds / 2), this.end - seconds);
      this.window = { from, to: from + seconds };
    }
    for (const button of this.root.querySelectorAll("[data-zoom]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.zoom) === seconds));
    }
    for (const [id, format] of [["as-text", "text"], ["as-cast", "cast"]]) {
      const link = document.getElementById(id);
      const part = { format };
      if (seconds) Object.assign(part, { from: new Date(this.window.from * 1000).toISOString(), to: new Date(this.window.to * 1000).toISOString() });
      link.href = `${this.root.dataset.download}?${new URLSearchParams(part)}`;
    }
    this.show();
  }

  say(words) {
    document.getElementById("at").textContent = words;
  }

  show() {
    if (this.at < this.window.from || this.at > this.window.to) this.window = { from: this.start, to: this.end };
    const words = this.loading ? `Reading ${dayAndClock(this.at)}` : dayAndClock(this.at);
    if (words !== this.said) this.say((this.said = words));
    const skip = this.root.querySelector("[data-skip]");
    const quiet = this.playing && this.records.length && this.records[0].t - this.at > QUIET_SECONDS;
    skip.hidden = !quiet;
    if (quiet) skip.textContent = `Quiet until ${clock(this.records[0].t)}: skip`;
    const seek = document.getElementById("seek");
    const { from, to } = this.window;
    if (!this.dragging) seek.value = String(Math.round((STEPS * (this.at - from)) / Math.max(0.001, to - from)));
    seek.setAttribute("aria-valuetext", dayAndClock(this.at));
    drawTimeline(document.getElementById("timeline"), this.line, this.window, this.at);
    const stage = stagesOf(this.line.markers, this.end).findLast((one) => one.at <= this.at);
    document.getElementById("stage-now").textContent = stage ? `here: ${STAGE_WORDS[stage.stage] ?? stage.stage}` : "";
  }
}

const MOVES = {
  ArrowLeft: (player, step) => player.at - step,
  ArrowRight: (player, step) => player.at + step,
  Home: (player) => player.start,
  End: (player) => player.end,
  n: (player) => player.event(true),
  p: (player) => player.event(false),
};
const FIELDS = "input:not(#seek), select, textarea:not(.xterm-helper-textarea), dialog";

// Keys of the player, wherever the focus is but in a field. (The terminal takes no keys here; it must not eat these.)
function key(player, seekTo, event) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest?.(FIELDS)) return;
  if (event.key === " " && !event.target.closest?.("a, button, summary")) player.toggle();
  else if (MOVES[event.key]) {
    const at = MOVES[event.key](player, event.shiftKey ? LONG_STEP_SECONDS : STEP_SECONDS);
    if (at !== undefined) seekTo(at);
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

function drag(player, seek, seekTo, moment) {
  let timer = 0;
  seek.addEventListener("pointerdown", () => { player.dragging = true; });
  for (const end of ["pointerup", "pointercancel", "blur"]) seek.addEventListener(end, () => { player.dragging = false; });
  seek.addEventListener("input", () => {
    const at = moment();
    clearTimeout(timer);
    player.say(dayAndClock(at));
    timer = setTimeout(() => seekTo(at), DRAG_MS);
  });
}

function start() {
  const root = document.getElementById("player");
  if (!root) return;
  const player = new Player(root);
  const seekTo = (at) => player.seek(at).then(() => player.playing || player.remember());
  const inWindow = (part) => player.window.from + part * (player.window.to - player.window.from);
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("play" in button.dataset) player.toggle();
    if ("skip" in button.dataset) player.skip();
    if (button.dataset.zoom) player.zoom(Number(button.dataset.zoom));
    if (button.dataset.speed) {
      player.speed = Number(button.dataset.speed);
      for (const other of root.querySelectorAll("[data-speed]")) other.setAttribute("aria-pressed", String(other === button));
    }
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-at]");
    if (!button) return;
    root.scrollIntoView({ block: "nearest" }); // on a phone the list stands below
    seekTo(Date.parse(button.dataset.at) / 1000);
  });
  const svg = document.getElementById("timeline");
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    seekTo(inWindow((event.clientX - box.left) / box.width));
  });
  const seek = document.getElementById("seek");
  drag(player, seek, seekTo, () => inWindow(Number(seek.value) / STEPS));
  document.addEventListener("keydown", (event) => key(player, seekTo, event), true);
  document.getElementById("jump").addEventListener("submit", (event) => {
    event.preventDefault();
    const when = Date.parse(document.getElementById("jump-to").value);
    if (!Number.isNaN(when)) seekTo(when / 1000);
  });
  setInterval(() => player.tick(), 40);
  const asked = json("at-data");
  player.at = asked ?? player.start;
  player.zoom(asked ? 3600 : 0);
  player.seek(player.at);
}

start();
