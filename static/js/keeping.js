// What a person set in a panel outlives its replacement: ticks, opened details, the end of a log.

const kept = new WeakMap(); // request -> what its target held

function remember(root) {
  const held = (selector) => [...root.querySelectorAll(selector)].filter((element) => element.id);
  return {
    ticked: held("input[data-keep]:checked").map((box) => box.id),
    opened: held("details[data-keep][open]").map((details) => details.id),
    scrolled: held("[data-follow]").map((log) => ({
      id: log.id, top: log.scrollTop, atEnd: log.scrollHeight - log.scrollTop - log.clientHeight < 8,
    })),
  };
}

function restore({ ticked, opened, scrolled }) {
  for (const id of ticked) {
    const box = document.getElementById(id);
    if (box) box.checked = true;
  }
  for (const id of opened) document.getElementById(id)?.setAttribute("open", "");
  for (const { id, top, atEnd } of scrolled) {
    const log = document.getElementById(id);
    if (log) log.scrollTop = atEnd ? log.scrollHeight : top;
  }
}

export function startKeeping() {
  for (const log of document.querySelectorAll("[data-follow]")) log.scrollTop = log.scrollHeight;
  document.addEventListener("htmx:beforeSwap", (event) => kept.set(event.detail.xhr, remember(event.detail.target)));
  document.addEventListener("htmx:afterSwap", (event) => {
    const before = kept.get(event.detail.xhr);
    if (before) restore(before);
  });
}
