// Times that people fill in: they write their own zone's, the portal is sent UTC.
//
//   data-moment="id"   on a datetime-local field: where what it says is put for sending
//   data-unless="id"   on a check box: not ticked, and not to be, while that field says something

function sent(field) {
  const place = document.getElementById(field.dataset.moment);
  place.value = field.value ? new Date(field.value).toISOString() : "";
  for (const box of document.querySelectorAll(`[data-unless="${field.id}"]`)) {
    box.disabled = Boolean(field.value);
    box.checked = !box.disabled;
  }
}

export function startMoments() {
  document.addEventListener("input", (event) => {
    if (event.target.matches?.("[data-moment]")) sent(event.target);
  });
}
