"""What goes over a console's socket: journal entries as frames, and what a browser may say. Pure.

Binary from us: eight bytes, big-endian, with the offset of the first byte, then at most 16 KiB as they came. Binary to
us: keystrokes. Text, either way: one JSON object with a "type".
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from consoles.journal import Cursor, Entry
from operations.refusals import BadRequest

FRAME_BYTES = 16_384
KEYS_BYTES = 4096
TEXT_BYTES = 4096
WHY_LETTERS = 300
OFFSET = struct.Struct(">Q")
NOT_KEPT = "The journal no longer holds what came here."

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Frame:
    """A message for the socket, the same for every viewer, and the place that is reached with it.

    `size_bytes` of data begin at `start`; a gap and a marker have none.
    """

    message: Message
    cursor: Cursor
    start: int = 0
    size_bytes: int = 0


def text(kind: str, /, **fields: Any) -> Message:
    """A message with a JSON object of that type."""
    return {"type": "websocket.send", "text": json.dumps({"type": kind, **fields}, separators=(",", ":"))}


def gap(missing: int | None, at: int, why: str) -> Frame:
    """Bytes that end at offset `at` and that nobody will see; None if nobody knows how many."""
    return Frame(text("gap", bytes=missing, at=at, why=why), Cursor(at))


def next_frame(entries: Sequence[Entry], index: int, cursor: Cursor) -> Frame:
    """What a viewer at `cursor` gets of the entries from `index` on: a gap, a marker, or as much data as follows
    without either, joined to a frame of at most 16 KiB.

    `entries[index]` must be the first entry behind `cursor`, which may lie in the middle of its data.
    """
    entry = entries[index]
    if entry.start > cursor.offset:
        return gap(entry.start - cursor.offset, entry.start, NOT_KEPT)
    if entry.marker is not None:
        return Frame(_marker(entry), entry.cursor)
    begun = cursor.offset - entry.start
    pieces, size = [entry.data[begun:] if begun else entry.data], len(entry.data) - begun
    for entry in entries[index + 1 :] if size < FRAME_BYTES else ():
        if entry.marker is not None or entry.start != cursor.offset + size:
            break
        pieces.append(entry.data)
        size += len(entry.data)
        if size >= FRAME_BYTES:
            break
    if size > FRAME_BYTES:
        pieces[-1] = pieces[-1][: FRAME_BYTES - size]
        size = FRAME_BYTES
    data = b"".join([OFFSET.pack(cursor.offset), *pieces])
    return Frame({"type": "websocket.send", "bytes": data}, Cursor(cursor.offset + size), cursor.offset, size)


def _marker(entry: Entry) -> Message:
    marker = entry.marker
    assert marker is not None
    return text(
        "marker",
        cursor=str(entry.cursor),
        at=entry.cursor.offset,
        kind=marker.kind,
        time=marker.at.isoformat(),
        words=marker.words,
        detail=dict(marker.detail),
    )


@dataclass(frozen=True)
class Ask:
    """What a browser asked for: "ack" (with `offset`), "take", "take-over" (with `why`), "release", "break", "sysrq"
    (with `key`)."""

    kind: str
    offset: int = 0
    why: str = ""
    key: str = ""


def read_ask(words: str) -> Ask:
    """Parse a text frame. Raises `BadRequest`, with a sentence, for whatever is none of ours."""
    if len(words) > TEXT_BYTES:
        raise BadRequest(f"A message may hold at most {TEXT_BYTES} letters.", code="too-long")
    try:
        row = json.loads(words)
        kind = row["type"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise BadRequest('A message is a JSON object with a "type".', code="bad-message") from None
    if kind == "ack":
        return Ask("ack", offset=_acknowledged(row))
    if kind in ("take", "take-over"):
        return Ask(kind, why=_why(row))
    if kind == "sysrq":
        return Ask(kind, key=_key(row))
    if kind in ("release", "break"):
        return Ask(kind)
    raise BadRequest(f"There is no message of the type {str(kind)[:40]!r}.", code="unknown-type")


def _acknowledged(row: dict[str, Any]) -> int:
    try:
        place = row["cursor"] if "cursor" in row else str(row["offset"])
        return Cursor.parse(place).offset
    except (ValueError, TypeError, KeyError, AttributeError):
        raise BadRequest("An acknowledgement names a cursor or an offset.", code="bad-message") from None


def _why(row: dict[str, Any]) -> str:
    why = row.get("why", "")
    if not isinstance(why, str) or len(why) > WHY_LETTERS:
        raise BadRequest(f"A reason is a text of at most {WHY_LETTERS} letters.", code="bad-message")
    return "".join(letter if letter.isprintable() else " " for letter in why).strip()


def _key(row: dict[str, Any]) -> str:
    key = row.get("key")
    if not isinstance(key, str) or len(key) != 1 or not "!" <= key <= "~":
        raise BadRequest("A SysRq needs one key: a letter, a digit or a sign.", code="bad-message")
    return key
