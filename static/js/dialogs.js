// Dialogs: those of the page, and those that htmx brings into #dialog-host with what is true at that moment.

let openerId = "";

function open(dialog, opener) {
  openerId = opener?.id ?? "";
  dialog.showModal();
}

// The button that opened the dialog may have been replaced meanwhile; its successor has the same id.
function returnFocus() {
  if (openerId && document.activeElement === document.body) document.getElementById(openerId)?.focus();
}

function matchTyped(field) {
  const button = field.form.querySelector("[data-needs-match]");
  if (button) button.disabled = field.value.trim() !== field.dataset.match;
}

export function startDialogs() {
  const host = document.getElementById("dialog-host");
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener && opener.getAttribute("aria-disabled") !== "true") {
      open(document.querySelector(opener.dataset.dialog), opener);
    }
    if (event.target.closest('[data-do="close"]')) event.target.closest("dialog").close();
  });
  document.addEventListener("input", (event) => {
    if (event.target.matches?.("[data-match]")) matchTyped(event.target);
  });
  document.addEventListener("close", (event) => {
    if (host.contains(event.target)) host.replaceChildren();
    returnFocus();
  }, true); // `close` does not bubble
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target !== host) return;
    const dialog = host.querySelector("dialog");
    if (dialog && !dialog.open) open(dialog, event.detail.requestConfig?.elt);
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    const { requestConfig, successful } = event.detail;
    const dialog = requestConfig.elt.closest("dialog");
    if (dialog?.open && successful && requestConfig.verb !== "get") dialog.close();
  });
}
