"""The journal of a console in the broker: its keys, its entries and its epochs, for who writes and who reads.

Pure: nothing here talks to a broker. One entry's id is `<offset>-<n>`: n = 0 is data that *ends* at this offset in
bytes, n >= 1 a marker that stands there. So an id is a cursor, and bytes that are missing before an entry are counted
by subtraction. An epoch is one unbroken count of bytes (docs/adr/0009): a cursor means nothing in another one.
"""

import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from consoles.markers import Marker

RETAINED_BYTES = 1_048_576
RETAINED_ENTRIES = 16_384
OLD_EPOCH_SECONDS = 3600  # for how long viewers may finish the stream before
EPOCHS_KEPT = 16
NEWS_KEPT = 64
DATA, MARKER, NEWS = b"d", b"m", b"n"  # fields of stream entries
DAEMON_START, BROKER_LOST = "daemon-start", "broker-lost"


@dataclass(frozen=True)
class Keys:
    """The names of all that the broker holds of one console."""

    board: str
    slot: int

    def __str__(self) -> str:
        return f"console:{self.board}:{self.slot}"

    @property
    def epochs(self) -> str:
        """A list of JSON, the current epoch last."""
        return f"{self}:epochs"

    @property
    def news(self) -> str:
        """A stream of hints that something below has changed."""
        return f"{self}:news"

    @property
    def port(self) -> str:
        """What the daemon says of the port, as JSON; missing when there is no daemon."""
        return f"{self}:port"

    @property
    def typist(self) -> str:
        """Who has the keyboard, as JSON; missing when it is free."""
        return f"{self}:typist"

    @property
    def present(self) -> str:
        """A hash of who watches."""
        return f"{self}:present"

    @property
    def keys(self) -> str:
        """The stream of what is typed, one for the whole board."""
        return keys_stream(self.board)

    def stream(self, epoch: str) -> str:
        """The journal itself."""
        return f"{self}:{epoch}"


# The broker takes 64 bits for each part; 18 digits are a hundred thousand years of a busy line.
_CURSOR = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")


def keys_stream(board: str) -> str:
    """The stream of what is typed to any slot of `board`."""
    return f"console:{board}:keys"


def daemon_key(board: str) -> str:
    """When the daemon last lived, as JSON: `at` (Unix seconds). Kept for good."""
    return f"console:{board}:daemon"


@dataclass(frozen=True, order=True)
class Cursor:
    """A place in an epoch: everything up to `offset` bytes, and the first `n` markers that stand there."""

    offset: int
    n: int = 0

    def __str__(self) -> str:
        return f"{self.offset}-{self.n}"

    @classmethod
    def parse(cls, text: bytes | str) -> "Cursor":
        """From a stream id, or a bare offset. Raises ValueError."""
        words = text.decode(errors="replace") if isinstance(text, bytes) else text
        found = _CURSOR.fullmatch(words)
        if found is None:
            raise ValueError(f"{words[:40]!r} is no place in a journal.")
        return cls(int(found[1]), int(found[2] or 0))


@dataclass(frozen=True)
class Entry:
    """One entry: bytes that end at `cursor.offset`, or a marker that stands there."""

    cursor: Cursor
    data: bytes = b""
    marker: Marker | None = None

    @property
    def start(self) -> int:
        """The offset of its first byte; the cursor's own for a marker."""
        return self.cursor.offset - len(self.data)


def decode(entry_id: bytes | str, fields: Mapping[bytes, bytes]) -> Entry:
    """An entry as redis-py returns it. Raises ValueError for what is no journal's."""
    if DATA in fields:
        return Entry(Cursor.parse(entry_id), fields[DATA])
    if MARKER in fields:
        return Entry(Cursor.parse(entry_id), marker=Marker.from_json(fields[MARKER]))
    raise ValueError(f"Entry {entry_id!r} is neither data nor a marker.")


@dataclass(frozen=True)
class Epoch:
    """One unbroken count. It begins at offset `first`; `lost` bytes are missing before it, None if nobody knows.

    After "broker-lost" the count goes on: a viewer who had read up to X misses exactly `first - X`, and one who was
    ahead of `first` goes on at X. After "daemon-start" offsets may go on too, but what came meanwhile is unknown.
    """

    epoch: str
    first: int
    previous: str | None
    cause: str
    lost: int | None
    away_seconds: float | None
    at: str

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes | str) -> "Epoch":
        """Raises ValueError for what `to_json` did not write."""
        row: dict[str, Any] = json.loads(text)
        try:
            return cls(**row)
        except TypeError as error:
            raise ValueError(f"This is no epoch of a console: {text!r}.") from error


def new_epoch_name() -> str:
    """64 random bits, in hex."""
    return secrets.token_hex(8)


def news(what: str) -> bytes:
    """The content of a hint: "epoch", "port", "typist" or "presence" has changed."""
    return json.dumps({"what": what}).encode()
