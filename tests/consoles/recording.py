"""Recordings made for tests, without waiting for a writer's thread."""

from datetime import UTC, datetime
from pathlib import Path

from consoles.markers import Marker
from consoles.recordings.growing import Growing, Piece
from consoles.recordings.segments import Segment

T0 = datetime(2026, 11, 22, 3, 0, tzinfo=UTC).timestamp()


def make(folder: Path, *segments: list[tuple[float, bytes | Marker]]) -> Path:
    """A recording of these segments, of (seconds after T0, bytes or marker) each."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, said in enumerate(segments, 1):
        growing = Growing(Segment(folder, number))
        growing.write([piece(seconds, what) for seconds, what in said])
        growing.close()
    return folder


def piece(seconds: float, what: bytes | Marker) -> Piece:
    if isinstance(what, Marker):
        return Piece(T0 + seconds, mark=what.to_json() + b"\n")
    return Piece(T0 + seconds, data=what)


def stage(seconds: float, name: str, words: str) -> tuple[float, Marker]:
    return seconds, Marker("stage", datetime.fromtimestamp(T0 + seconds, UTC), words, {"stage": name})
