// Several slots at once: the order in which they are ticked is the order in which they are acted on.

let order = [];

const ticked = () => [...document.querySelectorAll("[data-pick]:checked")].map((box) => box.value);

function take() {
  const now = ticked();
  order = order.filter((slot) => now.includes(slot)).concat(now.filter((slot) => !order.includes(slot)));
  for (const field of document.querySelectorAll("[data-picked-order]")) field.value = order.join(" ");
  for (const place of document.querySelectorAll("[data-picked-count]")) {
    const words = order.length ? `Slot ${order.join(", then ")}` : "Select slots to act on several";
    if (place.textContent !== words) place.textContent = words;
    for (const button of place.parentElement.querySelectorAll("button")) button.disabled = order.length === 0;
  }
}

function untickAll() {
  for (const box of document.querySelectorAll("[data-pick]:checked")) box.checked = false;
  take();
}

export function startSelection() {
  take();
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick]")) take();
  });
  document.addEventListener("htmx:afterSettle", take);
  // Acted on: the next selection starts anew.
  document.addEventListener("htmx:afterRequest", (event) => {
    const { requestConfig, successful } = event.detail;
    if (successful && requestConfig.verb === "post" && requestConfig.elt.elements?.slots) setTimeout(untickAll);
  });
}
