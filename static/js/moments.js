// Times that people fill in: they write their own zone's, the portal is sent UTC.
//
//   data-moment="id"   on a datetime-local field: where what it says is put for sending; what is there already, in a
//                      form that came back with a complaint, is shown again
//   data-unless="id"   on a check box: not ticked, and not to be, while that field says something

const MINUTE_MS = 60_000;

function sent(field) {
  const place = document.getElementById(field.dataset.moment);
  place.value = field.value ? new Date(field.value).toISOString() : "";
  for (const box of document.querySelectorAll(`[data-unless="${field.id}"]`)) {
    box.disabled = Boolean(field.value);
    box.checked = !box.disabled;
  }
}

function shown(field) {
  if (field.value) return sent(field); // the browser has kept it, on the way back to a page
  const at = new Date(document.getElementById(field.dataset.moment).value);
  if (Number.isNaN(at.valueOf())) return;
  const here = new Date(at.valueOf() - at.getTimezoneOffset() * MINUTE_MS); // its UTC reads as the time here
  field.value = here.toISOString().slice(0, "2026-11-23T18:00".length);
}

export function startMoments() {
  document.addEventListener("input", (event) => {
    if (event.target.matches?.("[data-moment]")) sent(event.target);
  });
  window.addEventListener("pageshow", () => document.querySelectorAll("[data-moment]").forEach(shown));
}
