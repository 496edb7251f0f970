// Pasting. A word goes straight to the line; several lines, or much, are shown first. Control characters never go.

const LONG = 200;
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g; // all but tab and line feed

export const cleaned = (text) => text.replace(/\r\n?/g, "\n").replace(CONTROL, "");

function facts(text) {
  const size = new TextEncoder().encode(text).length;
  const lines = text.replace(/\n$/, "").split("\n").length;
  return `${lines} ${lines === 1 ? "line" : "lines"}, ${size} ${size === 1 ? "byte" : "bytes"}`;
}

function leftOut(text) {
  const count = (text.match(CONTROL) ?? []).length;
  if (!count) return "";
  return count === 1 ? "1 control character is left out." : `${count} control characters are left out.`;
}

// `send(text)` types it; `mayType()` says whether one may.
export function startPaste(host, { send, mayType }) {
  const dialog = document.getElementById("paste");
  const field = dialog.querySelector("textarea");
  const said = dialog.querySelector("[data-facts]");
  const go = dialog.querySelector("[value=go]");

  function describe() {
    said.textContent = field.value ? `${facts(cleaned(field.value))}. ${leftOut(field.value)}`.trim() : "Nothing yet.";
    go.disabled = !field.value;
  }

  function show(text) {
    field.value = cleaned(text);
    describe();
    if (text) said.textContent = `${facts(field.value)}. ${leftOut(text.replace(/\r\n?/g, "\n"))}`.trim();
    dialog.returnValue = "";
    dialog.showModal();
  }

  field.addEventListener("input", describe);
  dialog.addEventListener("close", () => {
    if (dialog.returnValue === "go") send(cleaned(field.value));
    field.value = "";
  });
  host.addEventListener("paste", (event) => {
    event.preventDefault();
    event.stopPropagation();
    if (!mayType()) return;
    const text = event.clipboardData?.getData("text/plain") ?? "";
    const plain = cleaned(text);
    if (!plain.includes("\n") && plain.length <= LONG && plain === text) send(plain);
    else if (text) show(text);
  }, true);
  return () => show("");
}
