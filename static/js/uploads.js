// Uploads of images by tus 1.0: in chunks, each counted by the portal once it is on its disk, so that whatever happens
// here (a reload, a closed lid, a portal that restarts) costs a chunk at most. The rows are the server's; this module
// sends the bytes and says how fast. A page that was reloaded asks for the file again, since browsers forget it.

import { toast } from "./toasts.js";

const CHUNK_BYTES = 8 * 1024 * 1024;
const BACK_OFF_SECONDS = [1, 2, 4, 8, 15];
const RATE_OVER_MS = 8000;
const AGAIN = new Set([0, 408, 409, 423, 429, 500, 502, 503, 504]); // 409: somebody else sent, ask where to go on

const sendings = new Map(); // id -> Sending

class Failure extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

const token = () => document.cookie.match(/(?:^|; )csrftoken=([^;]*)/)?.[1] ?? "";

// A request of the protocol; resolves with its XMLHttpRequest, rejects with a Failure.
function request(method, url, { headers = {}, body = null, onprogress, begun } = {}) {
  return new Promise((resolve, reject) => {
    const xhr = new XMLHttpRequest();
    xhr.open(method, url);
    const all = { "Tus-Resumable": "1.0.0", "X-CSRFToken": token(), ...headers };
    for (const [name, value] of Object.entries(all)) xhr.setRequestHeader(name, value);
    if (onprogress) xhr.upload.addEventListener("progress", (event) => onprogress(event.loaded));
    xhr.addEventListener("load", () => (xhr.status < 300 ? resolve(xhr) : reject(failureOf(xhr))));
    xhr.addEventListener("error", () => reject(new Failure("The portal cannot be reached.", 0)));
    xhr.addEventListener("abort", () => reject(new Failure("Paused.", 0)));
    begun?.(xhr);
    xhr.send(body);
  });
}

function failureOf(xhr) {
  try {
    return new Failure(JSON.parse(xhr.responseText).message, xhr.status);
  } catch {
    return new Failure(`The portal did not take it (status ${xhr.status}).`, xhr.status);
  }
}

// ---- One upload that this page sends

class Sending {
  constructor(url, file) {
    this.url = url;
    this.file = file;
    this.confirmed = null; // what the portal has; null = ask
    this.sent = 0;
    this.paused = false;
    this.trouble = "";
    this.marks = []; // [time, sent] of the last seconds
    this.tries = 0;
    this.wake = null;
  }

  async run() {
    while (sendings.get(idOf(this.url)) === this) {
      if (this.paused) await new Promise((resolve) => { this.wake = resolve; });
      try {
        this.confirmed ??= await this.ask();
        if (this.confirmed === this.file.size) return this.end();
        await this.sendChunk();
        this.tries = 0;
        this.trouble = "";
      } catch (failure) {
        if (!(await this.recover(failure))) return;
      }
    }
  }

  async ask() {
    const offset = Number((await request("HEAD", this.url)).getResponseHeader("Upload-Offset"));
    this.note(offset);
    return offset;
  }

  async sendChunk() {
    const from = this.confirmed;
    const answer = await request("PATCH", this.url, {
      headers: { "Upload-Offset": String(from), "Content-Type": "application/offset+octet-stream" },
      body: this.file.slice(from, from + CHUNK_BYTES),
      onprogress: (loaded) => this.note(from + loaded),
      begun: (xhr) => { this.xhr = xhr; },
    });
    this.confirmed = Number(answer.getResponseHeader("Upload-Offset"));
    this.note(this.confirmed);
  }

  // Whether to go on after a failure; waits before that.
  async recover(failure) {
    this.confirmed = null;
    if (this.paused) return true;
    if (!AGAIN.has(failure.status)) {
      this.end();
      if (![404, 410].includes(failure.status)) toast(`${this.file.name}: ${failure.message}`, true);
      return false;
    }
    this.trouble = failure.message;
    dress();
    const seconds = BACK_OFF_SECONDS[Math.min(this.tries++, BACK_OFF_SECONDS.length - 1)];
    await new Promise((resolve) => {
      this.wake = resolve;
      setTimeout(resolve, 1000 * seconds);
    });
    return true;
  }

  note(sent) {
    const at = performance.now();
    this.sent = sent;
    this.marks = [...this.marks.filter(([then]) => at - then < RATE_OVER_MS), [at, sent]];
    dress();
  }

  // Bytes per second over the last moments; 0 while that is not known.
  get rate() {
    const [first] = this.marks;
    const last = this.marks.at(-1);
    return last && last[0] - first[0] > 500 ? (1000 * (last[1] - first[1])) / (last[0] - first[0]) : 0;
  }

  pause(paused) {
    this.paused = paused;
    this.marks = [];
    if (paused) this.xhr?.abort();
    else this.wake?.();
    dress();
  }

  end() {
    sendings.delete(idOf(this.url));
    dress();
  }
}

const idOf = (url) => url.slice(url.lastIndexOf("/") + 1);

function send(url, file) {
  const sending = new Sending(url, file);
  sendings.set(idOf(url), sending);
  sending.run();
  dress();
}

// ---- What the rows show

// The same words as `size` in nanoportal/presentation.py.
function size(bytes) {
  for (const [unit, one] of [["GB", 1e9], ["MB", 1e6], ["kB", 1e3]]) {
    if (bytes >= one) {
      const value = bytes / one;
      return `${value < 100 ? Number(value.toPrecision(3)) : Math.round(value)} ${unit}`;
    }
  }
  return `${bytes} B`;
}

function left(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} left`;
}

function write(row, name, text) {
  const place = row.querySelector(`[data-${name}]`);
  if (place && place.textContent !== text) place.textContent = text;
}

function dress() {
  for (const row of document.querySelectorAll("[data-upload]")) {
    const sending = sendings.get(row.dataset.upload);
    const whole = Number(row.dataset.size);
    row.querySelector("[data-choose]").hidden = Boolean(sending);
    row.querySelector("[data-pause]").hidden = !sending || sending.paused;
    row.querySelector("[data-go-on]").hidden = !sending?.paused;
    if (!sending) {
      write(row, "phase", "Waiting for its file");
      continue;
    }
    const bar = row.querySelector("progress");
    bar.value = Math.max(bar.value, sending.sent);
    const rate = sending.paused || sending.trouble ? 0 : sending.rate;
    write(row, "phase", sending.paused ? "Paused" : sending.trouble || "Receiving");
    write(row, "sent", `${size(bar.value)} of ${size(whole)}`);
    write(row, "rate", rate ? `${size(Math.round(rate))}/s` : "");
    write(row, "eta", rate ? left((whole - sending.sent) / rate) : "");
  }
}

// ---- Beginning, and going on after a reload

const encoded = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const isChecksums = (file) => /\.sha256(sums?)?(\.txt)?$|^sha256sums?(\.txt)?$/i.test(file.name);
const isBlockMap = (file) => /\.bmap$/i.test(file.name);

async function begin(form) {
  const files = [...form.querySelector("input[type=file]").files];
  const images = files.filter((file) => !isChecksums(file) && !isBlockMap(file));
  if (images.length !== 1) throw new Failure("Choose one image, and nothing but its .sha256 and .bmap beside it.", 0);
  const [image] = images;
  const typed = form.querySelector("#u-sha256").value.trim();
  const sha256 = typed || (await files.find(isChecksums)?.text()) || "";
  const said = { filename: image.name, ...(sha256 && { sha256 }) };
  const metadata = Object.entries(said).map(([key, value]) => `${key} ${encoded(value)}`).join(",");
  const headers = { "Upload-Length": String(image.size), "Upload-Metadata": metadata };
  const url = (await request("POST", form.dataset.to, { headers })).getResponseHeader("Location");
  remember(idOf(url), image);
  const blockMap = files.find(isBlockMap);
  if (blockMap) await giveBlockMap(url, blockMap);
  send(url, image);
}

// An upload whose block map was not taken is not begun at all.
async function giveBlockMap(url, blockMap) {
  try {
    await request("PUT", `${url}/bmap`, { body: blockMap });
  } catch (failure) {
    await request("DELETE", url);
    throw failure;
  }
}

async function submitted(event) {
  const form = event.target;
  if (!form.matches("[data-begin-upload]")) return;
  event.preventDefault();
  const button = form.querySelector("[type=submit]");
  if (button.getAttribute("aria-busy") === "true") return;
  button.setAttribute("aria-busy", "true");
  form.querySelector(".refusal")?.remove();
  try {
    await begin(form);
    form.closest("dialog").close();
    form.reset();
  } catch (failure) {
    showRefusal(form, failure.message);
  } finally {
    button.removeAttribute("aria-busy");
  }
}

function showRefusal(form, text) {
  const words = document.createElement("p");
  words.textContent = text;
  const box = document.createElement("div");
  box.className = "callout refusal";
  box.dataset.state = "fail";
  box.setAttribute("role", "alert");
  box.append(words);
  form.querySelector(".body").prepend(box);
}

// A file of the same name and size that was written since is another one.
function remember(id, file) {
  try {
    localStorage.setItem(`upload:${id}`, String(file.lastModified));
  } catch {
    // Storage is switched off: name and size must do.
  }
}

function isAnother(file, row) {
  let written = null;
  try {
    written = localStorage.getItem(`upload:${row.dataset.upload}`);
  } catch {
    // As above.
  }
  if (file.name !== row.dataset.name || file.size !== Number(row.dataset.size)) return true;
  return written !== null && written !== String(file.lastModified);
}

function chosenAgain(event) {
  const input = event.target;
  if (input.id !== "u-again") return;
  const row = document.querySelector(`[data-upload="${input.dataset.goesTo}"]`);
  const [file] = input.files;
  if (!file || !row) return;
  input.value = "";
  if (isAnother(file, row)) {
    toast(`This is another file than the ${row.dataset.name} that was begun. Choose that one, or give the upload up.`, true);
    return;
  }
  send(`${document.querySelector("[data-begin-upload]").dataset.to}/${row.dataset.upload}`, file);
}

function clicked(event) {
  const choose = event.target.closest("[data-choose]");
  if (choose) {
    const input = document.getElementById("u-again");
    input.dataset.goesTo = choose.closest("[data-upload]").dataset.upload;
    input.click();
  }
  const button = event.target.closest("[data-pause], [data-go-on]");
  if (!button) return;
  sendings.get(button.closest("[data-upload]").dataset.upload)?.pause("pause" in button.dataset);
}

document.addEventListener("submit", submitted);
document.addEventListener("change", chosenAgain);
document.addEventListener("click", clicked);
document.addEventListener("htmx:afterSwap", dress);
window.addEventListener("online", () => sendings.forEach((sending) => sending.wake?.()));
dress();
