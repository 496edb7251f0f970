// Plays a recording with its real timing. A moment is shown by drawing, at once, what came in the time before it.

import { clock, dayAndClock, drawTimeline, stagesOf } from "./timeline.js";
import { makeTerminal, mark } from "./terminal.js";

const BEFORE_SECONDS = 120; // of context that is drawn for a moment
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

  async load(wish) {
    const booted = this.line.markers.findLast((one) => one.detail.stage === "boot-loader" && one.at <= this.at);
    const from = Math.max(this.at - BEFORE_SECONDS, Math.min(this.at, booted?.at ?? 0) - 1);
    let page = await this.fetch({ from: new Date(from * 1000).toISOString() });
    if (wish !== this.wish) return;
    await this.drawing;
    this.term.reset();
    while (wish === this.wish) {
      const later = page.records.findIndex((record) => record.t > this.at);
      const due = later < 0 ? page.records : page.records.slice(0, later);
      for (const record of due) this.draw(record);
      await this.drawing;
      if (later >= 0 || !page.next) {
        this.records = later < 0 ? [] : page.records.slice(later);
        this.following = page.next;
        return;
      }
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
    if (document.activeElement !== seek || this.playing) seek.value = String(Math.round((STEPS * (this.at - from)) / Math.max(0.001, to - from)));
    seek.setAttribute("aria-valuetext", dayAndClock(this.at));
    drawTimeline(document.getElementById("timeline"), this.line, this.window, this.at);
    const stage = stagesOf(this.line.markers, this.end).findLast((one) => one.at <= this.at);
    document.getElementById("stage-now").textContent = stage ? `here: ${STAGE_WORDS[stage.stage] ?? stage.stage}` : "";
  }
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
    if (button) seekTo(Date.parse(button.dataset.at) / 1000);
  });
  const svg = document.getElementById("timeline");
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    seekTo(inWindow((event.clientX - box.left) / box.width));
  });
  document.getElementById("seek").addEventListener("input", (event) => seekTo(inWindow(Number(event.target.value) / STEPS)));
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
