// The grids of VLANs and of isolation by keyboard: one tab stop, arrows move, Space goes on to the next way, U T - set
// VLANs. Every touch is sent to the server, one after the other, and what comes back replaces the page's part; focus
// stays where it is by the ids of the cells.

const MARKS = { u: "U", t: "T", "-": "-", "–": "-", Delete: "-", Backspace: "-" };
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

let stop = ""; // id of the cell that Tab goes to
const waiting = []; // [id of the cell, mark or "" for the next way], in the order of the keys
let isSending = false;

const cellOf = (event) => event.target.closest?.(".vgrid .vc");
const rowsOf = (grid) => [...grid.querySelectorAll("tbody tr")]
  .map((row) => [...row.querySelectorAll("td")].map((field) => field.querySelector("button.vc")))
  .filter((cells) => cells.some(Boolean));

function makeStop(cell) {
  stop = cell.id;
  for (const other of cell.closest(".vgrid").querySelectorAll('.vc[tabindex="0"]')) other.tabIndex = -1;
  cell.tabIndex = 0;
}

function place(rows, cell) {
  const row = rows.findIndex((cells) => cells.includes(cell));
  return [row, rows[row].indexOf(cell)];
}

function target(event, cell) {
  const rows = rowsOf(cell.closest(".vgrid"));
  const [row, column] = place(rows, cell);
  if (event.key === "Home") return (event.ctrlKey ? rows[0] : rows[row]).find(Boolean);
  if (event.key === "End") return (event.ctrlKey ? rows.at(-1) : rows[row]).findLast(Boolean);
  const [down, right] = MOVES[event.key];
  let next = [row + down, column + right];
  if (rows[next[0]]?.[next[1]] === null) next = [next[0] + down, next[1] + right]; // over a field that cannot be set
  return rows[next[0]]?.[next[1]];
}

// What a key sets is sent in order; a cell that is gone by then, or may no longer be set, is left alone.
async function send() {
  if (isSending) return;
  isSending = true;
  while (waiting.length) {
    const [id, mark] = waiting.shift();
    const cell = document.getElementById(id);
    const form = cell?.closest("form");
    if (!form || cell.getAttribute("aria-disabled") === "true") continue;
    const value = mark ? `${cell.dataset.at}:${mark}` : cell.value;
    const values = { csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value, [cell.name]: value };
    document.getElementById("refused")?.replaceChildren();
    const how = { source: form, target: form.getAttribute("hx-target"), swap: "outerHTML", values };
    await window.htmx.ajax("POST", form.action, how).catch(() => {}); // said by js/forms.js
  }
  isSending = false;
}

function pressed(event) {
  const cell = cellOf(event);
  if (!cell || event.altKey || event.metaKey || (event.ctrlKey && !["Home", "End"].includes(event.key))) return;
  const key = MARKS[event.key] ?? MARKS[event.key.toLowerCase()];
  const mark = event.key === " " ? "" : cell.dataset.at && key;
  if (mark !== undefined) {
    event.preventDefault();
    waiting.push([cell.id, mark]);
    send();
  } else if (event.key in MOVES || event.key === "Home" || event.key === "End") {
    event.preventDefault();
    target(event, cell)?.focus();
  }
}

// A new grid has its stop at the first cell; the one that a person was at keeps it.
function swapped() {
  const cell = stop && document.getElementById(stop);
  if (cell) makeStop(cell);
}

document.addEventListener("keydown", pressed);
document.addEventListener("focusin", (event) => {
  const cell = cellOf(event);
  if (cell) makeStop(cell);
});
document.addEventListener("htmx:afterSwap", swapped);
// A select of the grid is a touch as well.
document.addEventListener("change", (event) => {
  if (event.target.matches?.("[data-submits]")) event.target.form.requestSubmit();
});
