// The timeline of a recording as a drawing: what is kept, boot stages, panics, the moment that is shown.

const SVG = "http://www.w3.org/2000/svg";
const ENDS = new Set(["panic", "halt"]);
const GAPS = new Set(["dropped", "daemon-away", "broker-lost", "overrun", "port-away", "recording-stopped"]); // something is missing
const HEIGHT = 12;

function draw(name, attributes, text) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== undefined) element.textContent = text;
  return element;
}

export const clock = (at) => new Date(at * 1000).toLocaleTimeString("en-GB", { hour12: false });
export const dayAndClock = (at) => {
  const when = new Date(at * 1000);
  const today = when.toDateString() === new Date().toDateString();
  return today ? clock(at) : `${when.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${clock(at)}`;
};

const isGap = (marker) => GAPS.has(marker.kind);
const isPanic = (marker) => marker.kind === "stage" && marker.detail.stage === "panic";
export const isEvent = (marker) => marker.kind === "stage" || isGap(marker);

// Stages as stretches of time: each lasts until the next, or to the end of what is recorded.
export function stagesOf(markers, end) {
  const seen = markers.filter((one) => one.kind === "stage").map(({ at, detail }) => ({ at, stage: detail.stage }));
  return seen.map((one, place) => ({ ...one, until: seen[place + 1]?.at ?? end }));
}

// `window` is {from, to} in unix seconds, `at` the moment that is shown.
export function drawTimeline(svg, { stretches, markers }, window, at) {
  const span = Math.max(1, window.to - window.from);
  const x = (time) => `${Math.min(100, Math.max(0, (100 * (time - window.from)) / span)).toFixed(3)}%`;
  const width = (from, to) => `${Math.max(0.15, (100 * (Math.min(to, window.to) - Math.max(from, window.from))) / span).toFixed(3)}%`;
  const inside = (from, to) => to >= window.from && from <= window.to;
  const parts = [draw("rect", { class: "track", x: 0, y: 4, width: "100%", height: HEIGHT })];
  for (const one of stretches) {
    if (inside(one.start, one.end)) parts.push(draw("rect", { class: "kept", x: x(one.start), y: 4, width: width(one.start, one.end), height: HEIGHT }));
  }
  const end = stretches.at(-1)?.end ?? window.to;
  for (const one of stagesOf(markers, end)) {
    if (!inside(one.at, one.until)) continue;
    const until = ENDS.has(one.stage) ? Math.min(one.until, one.at + span / 100) : one.until;
    parts.push(draw("rect", { class: `stage ${one.stage}`, x: x(one.at), y: 4, width: width(one.at, until), height: HEIGHT }));
    if (one.stage === "panic") parts.push(draw("line", { class: "ev", x1: x(one.at), x2: x(one.at), y1: 0, y2: 20 }));
  }
  const shown = markers.filter((one) => inside(one.at, one.at));
  for (const one of shown.filter(isGap)) parts.push(draw("line", { class: "gap", x1: x(one.at), x2: x(one.at), y1: 0, y2: 20 }));
  parts.push(draw("text", { x: 0, y: 32 }, dayAndClock(window.from)), draw("text", { x: "100%", y: 32, "text-anchor": "end" }, dayAndClock(window.to)));
  if (inside(at, at)) parts.push(draw("line", { class: "head", x1: x(at), x2: x(at), y1: 0, y2: 20 }));
  svg.replaceChildren(...parts);
  svg.setAttribute("aria-label", `Recording from ${dayAndClock(window.from)} to ${dayAndClock(window.to)}; shown is ${dayAndClock(at)}; panics: ${shown.filter(isPanic).length}, gaps: ${shown.filter(isGap).length}`);
}
