"""What a console says about itself between the bytes of its peer: frozen values, to and from JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

DAEMON_AWAY = "daemon-away"
BROKER_LOST = "broker-lost"
DROPPED = "dropped"
PORT_AWAY = "port-away"
PORT_BACK = "port-back"
OVERRUN = "overrun"
BAUD = "baud"
BREAK = "break"
SYSRQ = "sysrq"
KEYS_LATE = "keys-late"
LENT = "lent"
RETURNED = "returned"
RECORDING_STOPPED = "recording-stopped"
RECORDING_RESUMED = "recording-resumed"
STAGE = "stage"
TAKEN_OVER = "taken-over"
KINDS = frozenset(
    {
        *(DAEMON_AWAY, BROKER_LOST, DROPPED, PORT_AWAY, PORT_BACK, OVERRUN, BAUD, BREAK, SYSRQ, KEYS_LATE),
        *(LENT, RETURNED, RECORDING_STOPPED, RECORDING_RESUMED, STAGE, TAKEN_OVER),
    }
)


@dataclass(frozen=True)
class Marker:
    """What happened to the line at `at`. `words` is the sentence a terminal shows; `detail` is for programs."""

    kind: str
    at: datetime
    words: str
    detail: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> bytes:
        """One line of JSON, ASCII only."""
        return json.dumps(
            {"kind": self.kind, "at": self.at.isoformat(), "words": self.words, "detail": dict(self.detail)},
            separators=(",", ":"),
        ).encode()

    @classmethod
    def from_json(cls, text: bytes | str) -> "Marker":
        """Raises ValueError for what `to_json` did not write."""
        try:
            row = json.loads(text)
            return cls(row["kind"], datetime.fromisoformat(row["at"]), row["words"], row["detail"])
        except (KeyError, TypeError) as error:
            raise ValueError(f"This is no marker of a console: {text!r}.") from error


def daemon_away(seconds: float | None, at: datetime) -> Marker:
    """What a new daemon says of the time when there was none; None: nobody knows how long that was."""
    for_how_long = "for an unknown time" if seconds is None else f"for {seconds:.1f} s"
    words = f"The console daemon was away {for_how_long}: an unknown number of bytes is lost here."
    return Marker(DAEMON_AWAY, at, words, {"lost": None, "away_seconds": seconds})
