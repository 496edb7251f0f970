// Several slots at once: how many are ticked, and buttons that work only when some are.

function count() {
  const number = document.querySelectorAll("[data-pick]:checked").length;
  for (const place of document.querySelectorAll("[data-picked-count]")) {
    place.textContent = number ? `${number} selected` : "Select slots to act on several";
    for (const button of place.parentElement.querySelectorAll("button")) button.disabled = number === 0;
  }
}

export function startSelection() {
  count();
  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-pick]")) count();
  });
  document.addEventListener("htmx:afterSettle", count);
}
