// All consoles of a board, small and live. Nobody types here: a click opens one.

import { Feed } from "./feed.js";
import { followCompany, portTrouble, showPeople } from "./status.js";
import { makeTerminal } from "./terminal.js";

function startCell(cell) {
  const host = cell.querySelector(".term");
  const { term } = makeTerminal(host, { fontSize: 11, scrollback: 200, label: `Console of slot ${cell.dataset.slot}, read only` });
  const feed = new Feed(cell.dataset.socket, term);
  feed.startAtEnd(cell.dataset.epoch, Number(cell.dataset.end));
  const trouble = cell.querySelector("[data-trouble]");
  const showPort = (port) => {
    const words = portTrouble(port);
    trouble.textContent = words;
    trouble.hidden = !words;
  };
  followCompany(feed, showPort, (people) => {
    showPeople([cell.querySelector("[data-people]")], people.filter((one) => one.socket !== feed.name), cell.dataset.person);
  });
  feed.addEventListener("state", ({ detail }) => {
    if (detail.state === "refused" || detail.state === "lost") {
      trouble.textContent = detail.words;
      trouble.hidden = false;
    }
  });
  cell.addEventListener("click", (event) => {
    if (!event.target.closest("a") && !term.hasSelection()) location.assign(cell.dataset.open);
  });
  window.addEventListener("pagehide", () => feed.close());
  window.addEventListener("pageshow", (event) => event.persisted && feed.reconnect());
  feed.open();
}

document.querySelectorAll(".cell[data-socket]").forEach(startCell);
