// Single keys: they go to a slot or the board, `?` lists them, Esc closes the top layer.

import { closeTopLayer } from "./shell.js";

const isTyping = (element) => element.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable], .term");

export function startKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      if (!document.querySelector("dialog[open]") && closeTopLayer()) event.preventDefault();
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    if (event.key === "?") document.getElementById("keys").showModal();
    else document.querySelector(`[data-key="${CSS.escape(event.key)}"]`)?.click();
  });
}
