"""Recordings as files for other programs: plain text, and asciicast v2 for players. Nothing in them can act on the
terminal that shows them."""

import codecs
import json
from collections.abc import Iterable, Iterator

from consoles.escapes import Plain, Safe, plain
from consoles.recordings.reading import Moment

CHUNK = 64 * 1024
COLUMNS, ROWS = 120, 36  # a serial line knows no size; wide enough for a kernel's log
LONGEST_IDLE = 3.0  # seconds of silence that a player shows; nights are long


def text(moments: Iterable[Moment]) -> Iterator[bytes]:
    """UTF-8 text, lines ended by line feeds; markers on lines of their own, with their time."""
    return _in_chunks(_text(moments))


def _text(moments: Iterable[Moment]) -> Iterator[str]:
    decoder, clean = codecs.getincrementaldecoder("utf-8")("replace"), Plain()
    at_start = True
    for moment in moments:
        if moment.marker is None:
            piece = clean.feed(decoder.decode(moment.data))
        else:
            said = f"--- {moment.marker.at:%Y-%m-%d %H:%M:%S %Z}: {_one_line(moment.marker.words)} ---\n"
            piece = said if at_start else f"\n{said}"
        if piece:
            at_start = piece.endswith("\n")
            yield piece


def cast(moments: Iterable[Moment], title: str) -> Iterator[bytes]:
    """An asciicast of version 2. Times count from the first moment and never go back, even where the clock did."""
    return _in_chunks(_cast(moments, title))


def _cast(moments: Iterable[Moment], title: str) -> Iterator[str]:
    decoder, clean = codecs.getincrementaldecoder("utf-8")("replace"), Safe()
    began = latest = shift = None
    for moment in moments:
        if began is None or latest is None or shift is None:
            began = latest = moment.at
            shift = 0.0
            yield _line(_header(began, title))
        if moment.at + shift < latest:
            shift = latest - moment.at
        latest = moment.at + shift
        elapsed = round(latest - began, 6)
        if moment.marker is not None:
            yield _line([elapsed, "m", _one_line(moment.marker.words)])
            continue
        piece = clean.feed(decoder.decode(moment.data))
        if piece:
            yield _line([elapsed, "o", piece])
    if began is None:
        yield _line(_header(0, title))


def _header(began: float, title: str) -> dict[str, object]:
    return {
        "version": 2,
        "width": COLUMNS,
        "height": ROWS,
        "timestamp": int(began),
        "idle_time_limit": LONGEST_IDLE,
        "title": _one_line(title),
        "env": {"TERM": "xterm-256color"},
    }


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=False) + "\n"


def _one_line(words: str) -> str:
    return plain(words).replace("\n", " ")


def _in_chunks(pieces: Iterable[str]) -> Iterator[bytes]:
    """Joined to some 64 KiB: an answer of single keystrokes would be slow."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece.encode())
        size += len(waiting[-1])
        if size >= CHUNK:
            yield b"".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield b"".join(waiting)
