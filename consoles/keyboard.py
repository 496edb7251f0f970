"""Who may type, and what was typed: scripts that the broker runs in one step, and what the daemon reads of them.

Every function returns a `Call`, which a synchronous client sends with `call.on(client)` and an asynchronous one with
`await call.on_async(client)`. Both raise what the client raises when the broker is away. Nobody types without the
keyboard: keys are appended by the same script that looks whose it is.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Generic, TypeVar

from redis.exceptions import NoScriptError

from consoles import journal, scripts
from hardware.holds import boot_id

LEASE_SECONDS = 30.0
RENEW_SECONDS = 10.0
LATE_SECONDS = 5.0
KEYS_KEPT = 4096
DATA, BREAK, CONFIGURE, TAKEN_OVER = "data", "break", "config", "taken-over"

T = TypeVar("T")


@dataclass(frozen=True)
class Call(Generic[T]):
    """One script with its keys and arguments, and how its answer is read."""

    script: scripts.Script
    keys: tuple[str, ...]
    args: tuple[str | bytes | int, ...]
    read: Callable[[Any], T]

    def on(self, client: Any) -> T:
        """Send it by a `redis.Redis`. Blocks for one round trip."""
        try:
            return self.read(client.evalsha(self.script.digest, len(self.keys), *self.keys, *self.args))
        except NoScriptError:  # the broker was started anew
            return self.read(client.eval(self.script.text, len(self.keys), *self.keys, *self.args))

    async def on_async(self, client: Any) -> T:
        """Send it by a `redis.asyncio.Redis`."""
        try:
            return self.read(await client.evalsha(self.script.digest, len(self.keys), *self.keys, *self.args))
        except NoScriptError:
            return self.read(await client.eval(self.script.text, len(self.keys), *self.keys, *self.args))


@dataclass(frozen=True)
class Typist:
    """Who has the keyboard: a socket of a person. `since` is ISO time; `why` is what they said as they took it over."""

    socket: str
    person: str
    user_id: int | None
    since: str
    why: str = ""

    def to_json(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, text: bytes | str | None) -> "Typist | None":
        """None for the empty text of a free keyboard. Raises ValueError for what `to_json` did not write."""
        try:
            return cls(**json.loads(text)) if text else None
        except TypeError as error:
            raise ValueError(f"This is nobody's keyboard: {text!r}.") from error


@dataclass(frozen=True)
class Lease:
    """What came of a request: whether the keyboard is `granted`, and whose it was before (or is, if it is not)."""

    granted: bool
    holder: Typist | None


def take(board: str, slot: int, typist: Typist, seconds: float = LEASE_SECONDS) -> Call[Lease]:
    """Take a free keyboard, or keep one's own. Not granted while it is another's."""
    keys = journal.Keys(board, slot)
    args = (typist.socket, typist.to_json(), round(seconds * 1000), journal.NEWS_KEPT, journal.news("typist"))
    return Call(scripts.TAKE, (keys.typist, keys.news), args, _lease)


def take_over(board: str, slot: int, typist: Typist, seconds: float = LEASE_SECONDS) -> Call[Lease]:
    """Take the keyboard whoever has it; `holder` is who lost it. The journal gets a marker if somebody did."""
    keys = journal.Keys(board, slot)
    args = (
        *(typist.socket, typist.to_json(), round(seconds * 1000), journal.NEWS_KEPT, journal.news("typist")),
        *(KEYS_KEPT, *_fields(slot, TAKEN_OVER, typist.why.encode(), typist.person, typist.socket), "f"),
    )
    return Call(scripts.TAKE_OVER, (keys.typist, keys.news, keys.keys), args, _lease)


def renew(board: str, slot: int, socket: str, seconds: float = LEASE_SECONDS) -> Call[Lease]:
    """Keep the keyboard for that much longer. Not granted if it is no longer ours: it ran out or was taken over."""
    return Call(scripts.RENEW, (journal.Keys(board, slot).typist,), (socket, round(seconds * 1000)), _lease)


def release(board: str, slot: int, socket: str) -> Call[bool]:
    """Give the keyboard back; False if it was not ours."""
    keys = journal.Keys(board, slot)
    return Call(scripts.RELEASE, (keys.typist, keys.news), (socket, journal.NEWS_KEPT, journal.news("typist")), bool)


def type_keys(board: str, slot: int, socket: str, person: str, data: bytes) -> Call[Lease]:
    """Send `data` to the line. Not granted, and not sent, unless `socket` has the keyboard."""
    return _append(board, slot, socket, DATA, data, person)


def send_break(board: str, slot: int, socket: str, person: str, then: bytes = b"") -> Call[Lease]:
    """Send a break, followed by `then` (SysRq: one character). Not granted unless `socket` has the keyboard."""
    return _append(board, slot, socket, BREAK, then, person)


def configure(board: str, slot: int) -> Call[None]:
    """Tell the daemon to read the port's settings again. Needs no keyboard."""
    fields = _fields(slot, CONFIGURE, b"", "", "")
    return Call(scripts.APPEND, (journal.keys_stream(board),), (KEYS_KEPT, *fields), lambda answer: None)


def _append(board: str, slot: int, socket: str, kind: str, data: bytes, person: str) -> Call[Lease]:
    keys = journal.Keys(board, slot)
    args = (socket, KEYS_KEPT, *_fields(slot, kind, data, person, socket))
    return Call(scripts.APPEND_AS_TYPIST, (keys.typist, keys.keys), args, _lease)


def _fields(slot: int, kind: str, data: bytes, person: str, socket: str) -> tuple[str | bytes | int, ...]:
    now = f"{time.monotonic():.6f}"
    return ("s", slot, "k", kind, "d", data, "p", person, "o", socket, "t", now, "b", _BOOT)


def _lease(answer: Any) -> Lease:
    return Lease(bool(answer[0]), Typist.from_json(answer[1]))


_BOOT = boot_id()


@dataclass(frozen=True)
class Typed:
    """One entry of a board's keyboard stream. `age_seconds` is how long ago it was sent, when it was read."""

    slot: int
    kind: str
    data: bytes
    person: str
    socket: str
    age_seconds: float
    loser: Typist | None = None

    @property
    def late(self) -> bool:
        """Too old to be typed: whoever pressed the key expects something else by now."""
        return self.age_seconds > LATE_SECONDS


def read_typed(entry_id: bytes, fields: Mapping[bytes, bytes], monotonic: float, unix: float) -> Typed:
    """An entry as redis-py returns it, at these two times. Raises ValueError for what the scripts did not write.

    On one machine the monotonic clock says how old it is, which nobody can set back; else the broker's own clock.
    """
    try:
        if fields[b"b"].decode() == _BOOT:
            age = monotonic - float(fields[b"t"])
        else:
            age = unix - int(entry_id.partition(b"-")[0]) / 1000
        return Typed(
            *(int(fields[b"s"]), fields[b"k"].decode(), fields[b"d"], fields[b"p"].decode(), fields[b"o"].decode()),
            *(age, Typist.from_json(fields.get(b"f", b""))),
        )
    except KeyError as error:
        raise ValueError(f"Entry {entry_id!r} of a keyboard lacks {error}.") from error
