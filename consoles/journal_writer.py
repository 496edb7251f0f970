"""One console's journal as its only writer sees it: what is not in the broker yet, and where its count stands.

Nothing here waits. Commands go to a `Link`; answers come back through callbacks. What the broker has not confirmed is
kept, up to 1 MiB, and sent again under the same ids: an id that the broker has already is refused by it, so nothing is
ever there twice. Beyond that the oldest bytes are dropped, and the offsets tell exactly how many.
"""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consoles import journal
from consoles.journal import Cursor, Epoch, Keys
from consoles.link import Link, LinkLost
from consoles.markers import BROKER_LOST, DAEMON_AWAY, DROPPED, Marker, daemon_away
from consoles.resp import ReplyError

log = logging.getLogger("nanoportal.consoled")
KEPT_BYTES = 1_048_576
FLIGHT_SHARE = 4  # of which so much may be sent and not confirmed: that cannot be dropped any more
JOINED_BYTES = 16_384  # an entry is not made longer than this
PIECE_BYTES = 256  # what one piece takes here beyond its content
TRIM_BYTES = 65_536  # retention is enforced each time so much, or so many entries, have been added
TRIM_ENTRIES = 256


@dataclass(eq=False, slots=True)
class Piece:
    """Bytes or a marker on their way. `end` counts from this writer's first byte; `cursor` is set once it was sent."""

    end: int
    content: bytes | bytearray
    is_data: bool
    cursor: Cursor | None = None
    tells_of_gap: bool = False

    @property
    def size(self) -> int:
        """What it takes in memory, about."""
        return len(self.content) + PIECE_BYTES


@dataclass(frozen=True)
class Found:
    """What the broker holds of a console when a connection begins: its epochs, and the last id of the newest one."""

    epochs: tuple[Epoch, ...] = ()
    last: Cursor | None = None


@dataclass
class Limits:
    """How much of each console the broker retains."""

    bytes: int = journal.RETAINED_BYTES
    entries: int = journal.RETAINED_ENTRIES


class JournalWriter:
    """Appends to one console's journal. Not for several threads."""

    def __init__(self, keys: Keys, now: Callable[[], datetime], limits: Limits) -> None:
        """`limits` is looked at each time; whoever made it may change it."""
        self.keys = keys
        self.epoch: Epoch | None = None
        self._stream = b""  # of that epoch
        self._now = now
        self._limits = limits
        self._count = 0  # bytes since this writer began
        self._base = 0  # the offset at which it began; known from the first epoch on
        self._unsent: deque[Piece] = deque()
        self._sent: deque[Piece] = deque()
        self._kept = 0  # bytes in both, with what each piece takes
        self._in_flight = 0  # of these, sent
        self._last = self._confirmed = Cursor(0)  # the ids sent and confirmed last
        self._told: list[tuple[Cursor, int]] = []  # markers of gaps, and where the data after each begin
        self._begun = False  # whether the broker has confirmed the epoch
        self._refused = 0  # bytes that the broker would not take
        self._starved = False
        self._added_bytes = self._added_entries = 0  # since retention was enforced

    @property
    def end(self) -> int | None:
        """The offset after the last byte appended; None until an epoch has begun."""
        return None if self.epoch is None else self._base + self._count

    @property
    def waits(self) -> bool:
        """Whether there is something to send."""
        return bool(self._unsent)

    # What the line brings

    def append(self, data: bytes) -> None:
        """Bytes of the line, in their order."""
        self._count += len(data)
        tail = self._unsent[-1] if self._unsent else None
        if tail and tail.is_data and tail.cursor is None and len(tail.content) + len(data) <= JOINED_BYTES:
            # The broker is slow or away. A piece that was sent once keeps its ends: it may have arrived.
            if isinstance(tail.content, bytes):
                tail.content = bytearray(tail.content)
            tail.content += data
            tail.end = self._count
            self._kept += len(data)
            self._make_room()
        else:
            self._keep(Piece(self._count, data, True))

    def mark(self, marker: Marker) -> None:
        """Something that happened after the last byte appended."""
        self._keep(Piece(self._count, marker.to_json(), False))

    def _keep(self, piece: Piece) -> None:
        self._unsent.append(piece)
        self._kept += piece.size
        self._make_room()

    def _make_room(self) -> None:
        while self._kept > KEPT_BYTES and self._drop_oldest():
            pass

    def _drop_oldest(self) -> bool:
        """Drop the oldest bytes that can still be dropped; markers go last. False if nothing is left to drop."""
        if not self._unsent:
            return False
        place = next((n for n, piece in enumerate(self._unsent) if piece.is_data), 0)
        self._kept -= self._unsent[place].size
        del self._unsent[place]
        return True

    # What goes to the broker

    def pump(self, link: Link) -> None:
        """Send what waits, as far as the link has room."""
        if self.epoch is None:
            return
        while self._unsent and link.has_room and self._in_flight < KEPT_BYTES // FLIGHT_SHARE:
            piece = self._unsent.popleft()
            start = self._base + piece.end - (len(piece.content) if piece.is_data else 0)
            if piece.is_data:
                self._announce(start, link)
            cursor = Cursor(self._base + piece.end) if piece.is_data else self._next_marker()
            self._send(piece, cursor, link)
        if self._starved or self._added_bytes >= TRIM_BYTES or self._added_entries >= TRIM_ENTRIES:
            self._trim(link)

    def _next_marker(self) -> Cursor:
        # A marker in a gap stands at the gap's beginning, so that readers find the gap by the data that ends it.
        return Cursor(self._last.offset, self._last.n + 1)

    def _announce(self, start: int, link: Link) -> None:
        """Say what is missing before the data that begin at `start`, unless that was said already."""
        lost = start - max(self._last.offset, self._told[-1][1] if self._told else 0)
        if lost <= 0:
            return
        words = f"{lost:,} bytes were dropped here: the broker did not take them in time."
        marker = Marker(DROPPED, self._now(), words, {"bytes": lost})
        piece = Piece(self._last.offset - self._base, marker.to_json(), False, tells_of_gap=True)
        self._kept += piece.size
        self._send(piece, self._next_marker(), link)
        certain = sum(cursor <= self._confirmed for cursor, _ in self._told)
        self._told = [*self._told[max(0, certain - 1) :], (self._last, start)]

    def _send(self, piece: Piece, cursor: Cursor, link: Link) -> None:
        piece.cursor = self._last = cursor
        self._sent.append(piece)
        self._in_flight += piece.size
        name = journal.DATA if piece.is_data else journal.MARKER
        link.send(b"XADD", self._stream, str(cursor), name, bytes(piece.content), then=self._confirm)
        self._added_bytes += len(piece.content)
        self._added_entries += 1

    def _confirm(self, reply: Any) -> None:
        piece = self._sent.popleft()
        self._kept -= piece.size
        self._in_flight -= piece.size
        assert piece.cursor is not None
        if isinstance(reply, ReplyError) and "equal or smaller" not in str(reply):
            if not self._refused:
                log.warning("%s: the broker refuses: %s", self.keys, reply)
            self._refused += len(piece.content) if piece.is_data else 0
            self._starved = True
            return
        self._confirmed = piece.cursor  # (an id that is refused as too small is there already)
        self._tell_refused()

    def _tell_refused(self) -> None:
        if self._refused:
            words = f"{self._refused:,} bytes were lost before this: the broker would not take them."
            self.mark(Marker(DROPPED, self._now(), words, {"bytes": self._refused}))
            self._refused = 0

    def _trim(self, link: Link) -> None:
        """Have the broker forget what is beyond the limits; three quarters more while it has no memory left."""
        share = 4 if self._starved else 1
        oldest = max(0, self._last.offset - self._limits.bytes // share)
        link.send("XTRIM", self._stream, "MINID", "~", oldest, then=_ignore)
        link.send("XTRIM", self._stream, "MAXLEN", "~", self._limits.entries // share, then=_ignore)
        self._starved = False
        self._added_bytes = self._added_entries = 0

    # Connections and epochs

    def detach(self) -> None:
        """The link is lost: what is not confirmed waits for the next one."""
        self._unsent.extendleft(reversed(self._sent))
        self._sent.clear()
        self._in_flight = 0

    def attach(self, link: Link, found: Found, away_seconds: float | None, remembered_end: int) -> None:
        """A new link, and what the broker holds: go on, or begin an epoch.

        `away_seconds` and `remembered_end` count for the first one only: how long there was no daemon, and where it
        had come to if the broker does not know.
        """
        if self._continues(found):
            assert found.last is not None
            while self._unsent and (cursor := self._unsent[0].cursor) is not None and cursor <= found.last:
                self._kept -= self._unsent.popleft().size
            self._last = self._confirmed = found.last
            self._begun = True
            self._tell_of_gaps_anew(found.last)
        elif self._begun:
            self._begin(link, found, journal.BROKER_LOST, self._confirmed.offset, None)
        else:
            known = found.last.offset if found.last else 0
            self._base = max(known, remembered_end, self._base)
            self._begin(link, found, journal.DAEMON_START, self._base, away_seconds)
        self.pump(link)

    def _continues(self, found: Found) -> bool:
        """Whether the broker still has our epoch, up to an entry that we sent and after all that it confirmed."""
        if self.epoch is None or not found.epochs or found.last is None:
            return False
        return found.epochs[-1].epoch == self.epoch.epoch and self._confirmed <= found.last <= self._last

    def _begin(self, link: Link, found: Found, cause: str, first: int, away_seconds: float | None) -> None:
        newest = found.epochs[-1].epoch if found.epochs else None
        previous = self.epoch.epoch if self._begun and self.epoch else newest
        lost = 0 if cause == journal.BROKER_LOST else None
        at = self._now()
        self.epoch = Epoch(journal.new_epoch_name(), first, previous, cause, lost, away_seconds, at.isoformat())
        self._stream = self.keys.stream(self.epoch.epoch).encode()
        self._last = self._confirmed = Cursor(first, 1)
        self._added_bytes = self._added_entries = 0
        self._tell_of_gaps_anew(None)
        marker = _first_marker(self.epoch, at)
        for words in self._opening(self.epoch, marker, [old.epoch for old in found.epochs]):
            link.send(*words, then=_ignore)
        link.send("EXEC", then=self._opened)

    def _tell_of_gaps_anew(self, arrived: Cursor | None) -> None:
        """Forget what was said of gaps, but for what has arrived: more may have been dropped since."""
        self._told = [told for told in self._told if arrived is not None and told[0] <= arrived][-1:]
        self._kept -= sum(piece.size for piece in self._unsent if piece.tells_of_gap)
        self._unsent = deque(piece for piece in self._unsent if not piece.tells_of_gap)

    def _opening(self, epoch: Epoch, marker: Marker, older: list[str]) -> list[tuple[bytes | str | int, ...]]:
        """One transaction: nobody sees an epoch without its stream. Of those before, the newest stays for an hour."""
        first = str(Cursor(epoch.first, 1))
        return [
            ("MULTI",),
            ("XADD", self.keys.stream(epoch.epoch), first, journal.MARKER, marker.to_json()),
            ("RPUSH", self.keys.epochs, epoch.to_json()),
            ("LTRIM", self.keys.epochs, -journal.EPOCHS_KEPT, -1),
            *(("UNLINK", self.keys.stream(name)) for name in older if name != epoch.previous),
            *([("EXPIRE", self.keys.stream(epoch.previous), journal.OLD_EPOCH_SECONDS)] if epoch.previous else []),
            ("XADD", self.keys.news, "MAXLEN", "~", journal.NEWS_KEPT, "*", journal.NEWS, journal.news("epoch")),
        ]

    def _opened(self, reply: Any) -> None:
        if isinstance(reply, ReplyError):
            raise LinkLost(f"The broker refuses a new epoch of {self.keys}: {reply}.")
        self._begun = True


def _ignore(reply: Any) -> None:
    """What a refusal means shows elsewhere: in EXEC's answer, or as memory that the broker reports."""


def _first_marker(epoch: Epoch, at: datetime) -> Marker:
    if epoch.cause == journal.BROKER_LOST:
        words = "The broker lost its memory: what was shown before is in the recording only."
        return Marker(BROKER_LOST, at, words, {"lost": epoch.lost})
    if epoch.previous is None and epoch.away_seconds is None:
        return Marker(DAEMON_AWAY, at, "The console daemon listens from here on.", {"lost": None, "away_seconds": None})
    return daemon_away(epoch.away_seconds, at)
