// Forms that act: sent once however often one clicks, busy until answered, refused in place.

import { toast } from "./toasts.js";

function stop(event) {
  event.preventDefault();
  event.stopImmediatePropagation();
}

function release(form) {
  delete form.dataset.sent;
  for (const button of form.querySelectorAll('[aria-busy="true"]')) button.removeAttribute("aria-busy");
}

function beginSending(event) {
  const form = event.target;
  if (form.method !== "post") return;
  const button = event.submitter;
  if ("sent" in form.dataset || button?.getAttribute("aria-disabled") === "true") return stop(event);
  form.dataset.sent = "";
  button?.setAttribute("aria-busy", "true");
  for (const place of document.querySelectorAll('[data-refusals=""]')) place.replaceChildren();
}

// The answer to an act that was refused or failed: a fragment with the sentence, or at least its status.
function showRefusal(event) {
  const { elt, xhr } = event.detail;
  if (elt.matches("[data-live]")) return; // a panel that could not be re-read keeps what it shows
  const answer = new DOMParser().parseFromString(xhr.responseText, "text/html").querySelector(".refusal");
  const { refusals } = elt.dataset;
  const place = elt.closest("dialog")?.querySelector(".body") ?? (refusals ? document.querySelector(refusals) : null);
  place?.querySelector(".refusal")?.remove();
  if (answer && place) {
    place.prepend(document.adoptNode(answer));
    place.scrollIntoView({ block: "nearest" });
  } else {
    toast(answer?.querySelector("p").textContent ?? `The portal could not do this (status ${xhr.status}).`, true);
  }
}

export function startForms() {
  document.addEventListener("click", (event) => {
    if (event.target.closest?.('[aria-disabled="true"]')) stop(event);
  }, true);
  document.addEventListener("submit", beginSending, true);
  document.addEventListener("htmx:afterRequest", (event) => {
    const form = event.detail.requestConfig.elt.closest("form");
    if (form) release(form);
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach(release));
  document.addEventListener("htmx:responseError", showRefusal);
  document.addEventListener("htmx:sendError", (event) => {
    if (event.detail.elt.matches("[data-live]")) return;
    toast("The portal did not answer. Whether it acted will show when the connection is back.", true);
  });
}
