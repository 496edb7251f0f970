// Ages, times of day and countdowns: one clock for the page, set by the server's, since browsers' clocks differ.

const skew = Number(document.querySelector('meta[name="server-time"]').content) - Date.now();

export const now = () => Date.now() + skew;

// A length of time as people say it. The same words as `span` in nanoportal/presentation.py.
export function span(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [size, unit] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (whole >= size) return `${Math.floor(whole / size)} ${unit}`;
  }
  return `${whole} s`;
}

export const timeOfDay = (when) => new Date(when).toLocaleTimeString("en-GB", { hour12: false });

function countdown(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  const at = now();
  for (const time of document.querySelectorAll("time[data-age]")) {
    const seconds = (at - Date.parse(time.dateTime)) / 1000;
    write(time, span(seconds));
    if (time.dataset.every) time.classList.toggle("old", seconds > 3 * Number(time.dataset.every));
  }
  for (const time of document.querySelectorAll("time[data-left]")) {
    write(time, countdown((Date.parse(time.dateTime) - at) / 1000));
  }
  for (const bar of document.querySelectorAll("progress[data-since]")) {
    bar.value = Math.min(bar.max, (at - Date.parse(bar.dataset.since)) / 1000);
  }
  for (const bar of document.querySelectorAll("progress[data-until]")) {
    bar.value = Math.max(0, (Date.parse(bar.dataset.until) - at) / 1000);
  }
  for (const block of document.querySelectorAll("[data-fresh]")) {
    block.classList.toggle("stale", block.querySelector("time.old") !== null);
  }
}

// The server writes times in its own zone; the reader thinks in theirs.
function localise(root) {
  for (const time of root.querySelectorAll("time[data-clock], time[data-clock-ms]")) {
    const when = new Date(time.dateTime);
    const day = when.toDateString() === new Date(now()).toDateString();
    const date = when.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
    const text = timeOfDay(when);
    if ("clockMs" in time.dataset) write(time, `${text}.${String(when.getMilliseconds()).padStart(3, "0")}`);
    else write(time, day ? text : `${date} ${text}`);
    time.title = when.toLocaleString("en-GB");
  }
}

export function startClock() {
  localise(document);
  tick();
  setInterval(tick, 1000);
  document.addEventListener("htmx:load", (event) => {
    localise(event.detail.elt);
    tick();
  });
}
