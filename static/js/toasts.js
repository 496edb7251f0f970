// Short messages about acts begun elsewhere. A good one goes after 6 s, a bad one stays until it is dismissed.

const SHOWN_MS = 6000;

function leaveLater(toast) {
  if (toast.dataset.state === "on") setTimeout(() => toast.remove(), SHOWN_MS);
}

export function toast(text, failed = false) {
  const which = failed ? "#toast-failed" : "#toast-done";
  const fresh = document.querySelector(which).content.firstElementChild.cloneNode(true);
  fresh.querySelector("p").textContent = text;
  document.getElementById("toasts").append(fresh);
  leaveLater(fresh);
}

// For screen readers only; everything said here is also to be seen.
export function announce(text) {
  document.getElementById("announce").textContent = text;
}

export function startToasts() {
  document.querySelectorAll("#toasts .toast").forEach(leaveLater);
  document.addEventListener("click", (event) => {
    if (event.target.closest('[data-do="dismiss"]')) event.target.closest(".toast").remove();
  });
  // A view may answer with the header HX-Trigger: {"toast": {"text": "...", "failed": true}}
  document.addEventListener("toast", (event) => toast(event.detail.text, Boolean(event.detail.failed)));
}
