// One console's stream: every byte once and in order, or a gap of exact size; over any number of connections.
//
// A place in it is an epoch and a cursor. It moves on when a frame arrives, and frames wait in this page until they are
// drawn, so a new connection goes on behind the last one that arrived. What was drawn is confirmed to the server, which
// sends at most 64 KiB ahead.

import { mark } from "./terminal.js";

const ACK_BYTES = 16384;
const ACK_MS = 500;
const SCREEN_BYTES = 8192;
const BACK_OFF_SECONDS = [0.5, 1, 2, 4, 8, 15];
const NOT_ALLOWED = 4403;
const NO_SUCH_SLOT = 4404;
export const KEYS_BYTES = 4096;

const number = (bytes) => bytes.toLocaleString("en-GB").replaceAll(",", " ");

export function gapWords(bytes, why) {
  const missing = bytes === null ? "An unknown number of bytes is missing here" : `${number(bytes)} bytes are missing here`;
  return `${missing}. ${why ?? ""}`.trim();
}

export class Feed extends EventTarget {
  // Events: "state" {state: connecting|live|lost|refused, words}, "message" (each JSON message), "moved" (bytes drawn),
  // "remark" {words} for what could not be drawn in the stream.
  constructor(url, term) {
    super();
    this.url = url;
    this.term = term;
    this.epoch = null;
    this.cursor = null; // of what has arrived
    this.offset = null;
    this.drawn = null; // offset up to which it is on the screen
    this.confirmed = 0;
    this.missing = 0;
    this.unknown = false; // whether a gap of unknown size came
    this.queue = [];
    this.busy = false;
    this.tries = 0;
    this.socket = null;
    this.ended = false;
    this.name = null; // of this connection, among those who are present
  }

  // For who only wants to see the last screen: `end` is where the journal ended when the page was made.
  startAtEnd(epoch, end) {
    if (!epoch || !end) return;
    this.epoch = epoch;
    this.cursor = String(Math.max(0, end - SCREEN_BYTES));
    this.patient = true; // what came before is left out on purpose
  }

  open() {
    clearTimeout(this.timer);
    const address = new URL(this.url, location.href.replace(/^http/, "ws"));
    if (this.epoch) {
      address.searchParams.set("epoch", this.epoch);
      address.searchParams.set("after", this.cursor);
    }
    this.say("connecting", "Connecting");
    const socket = new WebSocket(address);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    socket.addEventListener("message", (event) => this.socket === socket && this.hear(event.data));
    socket.addEventListener("close", (event) => this.socket === socket && this.closed(event));
  }

  // Drops the connection and goes on behind what has arrived.
  reconnect() {
    const old = this.socket;
    this.socket = null;
    old?.close();
    this.tries = 0;
    this.ended = false;
    this.open();
  }

  close() {
    this.ended = true;
    clearTimeout(this.timer);
    this.socket?.close();
  }

  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  type(bytes) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    for (let at = 0; at < bytes.length; at += KEYS_BYTES) this.socket.send(bytes.subarray(at, at + KEYS_BYTES));
  }

  say(state, words) {
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state, words } }));
  }

  closed(event) {
    this.socket = null;
    if (event.code === NOT_ALLOWED || event.code === NO_SUCH_SLOT) {
      this.ended = true;
      return this.say("refused", event.reason || "You may not see this console.");
    }
    if (this.ended) return;
    const wait = BACK_OFF_SECONDS[Math.min(this.tries, BACK_OFF_SECONDS.length - 1)];
    this.tries += 1;
    this.say("lost", event.reason || "Connection lost");
    this.timer = setTimeout(() => this.open(), 1000 * wait);
  }

  hear(data) {
    if (data instanceof ArrayBuffer) return this.take(data);
    const message = JSON.parse(data);
    if (message.type === "hello") this.greet(message);
    else if (message.type === "gap") this.skip(message);
    else if (message.type === "marker") {
      this.cursor = message.cursor;
      this.put({ kind: message.kind, words: message.words });
    }
    this.dispatchEvent(new CustomEvent("message", { detail: message }));
  }

  greet(hello) {
    this.tries = 0;
    this.name = hello.socket;
    if (hello.epoch && hello.epoch !== this.epoch) {
      this.epoch = hello.epoch;
      this.offset = hello.start;
      this.cursor = String(hello.start);
      this.drawn ??= hello.start;
    }
    this.confirmed = this.drawn ?? 0;
    this.say("live", "Live");
  }

  skip(gap) {
    this.offset = gap.at;
    this.cursor = String(gap.at);
    if (this.patient && this.drawn === null) return;
    this.lack(gap.bytes, gap.why);
  }

  lack(bytes, why) {
    if (bytes === null) this.unknown = true;
    else this.missing += bytes;
    this.put({ kind: "gap", words: gapWords(bytes, why) });
  }

  take(buffer) {
    const start = Number(new DataView(buffer).getBigUint64(0));
    let bytes = new Uint8Array(buffer, 8);
    const ahead = start - this.offset;
    if (this.offset !== null && ahead > 0) this.lack(ahead, "They did not arrive.");
    if (this.offset !== null && ahead < 0) bytes = bytes.subarray(-ahead); // seen already
    this.offset = start + buffer.byteLength - 8;
    this.cursor = String(this.offset);
    this.put({ bytes, end: this.offset });
  }

  // Frames and remarks are drawn one after the other.
  put(item) {
    this.queue.push(item);
    if (!this.busy) this.next();
  }

  next() {
    const item = this.queue.shift();
    this.busy = item !== undefined;
    if (!this.busy) return;
    if (item.bytes) {
      this.term.write(item.bytes, () => {
        this.confirm(item.end);
        this.next();
      });
    } else {
      mark(this.term, item.kind, item.words, (shown) => {
        if (!shown) this.dispatchEvent(new CustomEvent("remark", { detail: { words: item.words } }));
        this.next();
      });
    }
  }

  confirm(end) {
    this.drawn = end;
    this.dispatchEvent(new Event("moved"));
    if (end - this.confirmed >= ACK_BYTES) return this.acknowledge();
    this.ackTimer ??= setTimeout(() => this.acknowledge(), ACK_MS);
  }

  acknowledge() {
    clearTimeout(this.ackTimer);
    this.ackTimer = undefined;
    this.confirmed = this.drawn;
    this.send({ type: "ack", offset: this.drawn });
  }
}
