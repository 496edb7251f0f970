"""The daemon's side of the broker: both connections, all journals on one of them, what is typed on the other.

Connecting and the questions asked once are done by a thread that may wait. Everything else is on the daemon's first
thread and never waits: a broker that hangs costs a UART nothing.
"""

import json
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from consoles import journal
from consoles.greeting import Greeting, greet
from consoles.journal import Cursor
from consoles.journal_writer import JournalWriter, Limits
from consoles.keyboard import Typed, read_typed
from consoles.lines import Line
from consoles.link import Link, LinkLost, check, in_background
from consoles.remembered import Remembered
from consoles.resp import ReplyError, Word
from consoles.watch import READ, WRITE, Watch

log = logging.getLogger("nanoportal.consoled")
RETRY_SECONDS = 0.25
SILENT_SECONDS = 5.0  # an answer that is owed for so long will not come
BLOCK_SECONDS = 10.0  # for how long a question for keys waits at the broker
PORT_SECONDS = 30.0  # what is said of a port is good for so long; it is said again three times as often
SHORTEST_PORT_SECONDS = 3.0
ALIVE_SECONDS = 0.25  # so precisely does the next daemon know for how long there was none
MEMORY_SECONDS = 10.0
KEYS_AT_ONCE = 256
FAREWELL_SECONDS = 0.5


class Uplink:
    """Keeps the daemon connected to the broker at `url`. `scale` divides every wait."""

    def __init__(
        self,
        url: str,
        lines: Sequence[Line],
        watch: Watch,
        typed: Callable[[Line | None, str, Typed], None],
        now: Callable[[], datetime],
        scale: float,
        remembered: Remembered,
    ) -> None:
        """Gives every line its journal. `typed` gets what people type; `remembered` is asked if the broker does not
        know. Raises ValueError for a URL that is none.
        """
        check(url)
        self._url, self._lines, self._watch, self._typed = url, list(lines), watch, typed
        self._now, self._scale, self._remembered = now, scale, remembered
        self._boards = sorted({line.board for line in lines})
        self._at = {(line.board, line.slot): line for line in lines}
        self._limits = Limits()
        for line in lines:
            line.journal = JournalWriter(journal.Keys(line.board, line.slot), now, self._limits)
        self._journals: Link | None = None
        self._keys: Link | None = None
        self._full: set[Link] = set()  # of these, which wait until the kernel takes more
        self._connecting = False
        self._name = f"consoled-{secrets.token_hex(8)}"
        self._retry_at = self._alive_at = self._memory_at = 0.0
        self._read_up_to: dict[str, bytes] = {}
        self._taken: dict[str, int] = {}  # keys since those taken were forgotten
        self._said: dict[Line, tuple[dict[str, Any], float]] = {}
        self._problem = ""

    @property
    def connected(self) -> bool:
        """Whether the broker answered lately."""
        return self._journals is not None

    # The first thread's loop

    def tick(self, moment: float) -> None:
        """To be called several times a second: connects, gives up, and says what has changed."""
        if self._journals is None or self._keys is None:
            if not self._connecting and moment >= self._retry_at:
                self._connecting = True
                in_background(self._connect)
            return
        if self._journals.silent_seconds(moment) > SILENT_SECONDS:
            self._lose(LinkLost("The broker is away: it does not answer."))
        elif self._keys.silent_seconds(moment) > BLOCK_SECONDS + SILENT_SECONDS:
            self._lose(LinkLost("The broker is away: it does not answer for the keyboards."))
        else:
            self._say_ports(moment)
            self._say_alive(moment)

    def pump(self) -> None:
        """Send what the journals hold. Costs little when there is nothing."""
        link = self._journals
        if link is None:
            return
        for line in self._lines:
            if line.journal and line.journal.waits:
                line.journal.pump(link)
        self._flush(link)

    def _flush(self, link: Link) -> None:
        try:
            link.flush()
        except LinkLost as error:
            self._lose(error)
            return
        if link.unsent != (link in self._full):
            self._full ^= {link}
            self._watch.change(link.fileno(), READ | WRITE if link.unsent else READ)

    def _receive(self, link: Link) -> None:
        try:
            link.receive()
        except LinkLost as error:
            self._lose(error)

    def _lose(self, error: LinkLost) -> None:
        if str(error) != self._problem:
            self._problem = str(error)
            log.warning("%s", error)
        self._hang_up()

    def _hang_up(self) -> None:
        """Both connections go: one fate, one way back."""
        for link in (self._journals, self._keys):
            if link is not None:
                self._watch.remove(link.fileno())
                link.close()
        self._journals = self._keys = None
        self._full.clear()
        self._retry_at = time.monotonic() + RETRY_SECONDS
        for line in self._lines:
            if line.journal:
                line.journal.detach()

    # Connecting

    def _connect(self) -> None:
        """On a thread of its own: both connections, and what the broker holds."""
        try:
            greeting = greet(self._url, self._name, [(line.board, line.slot) for line in self._lines])
        except LinkLost as error:
            self._watch.post(partial(self._not_connected, error))
        else:
            self._watch.post(partial(self._connected, greeting))

    def _not_connected(self, error: LinkLost) -> None:
        self._connecting = False
        self._retry_at = time.monotonic() + RETRY_SECONDS
        if str(error) != self._problem:
            self._problem = str(error)
            log.warning("%s", error)

    def _connected(self, greeting: Greeting) -> None:
        self._connecting = False
        if self._problem:
            log.info("The broker is back.")
            self._problem = ""
        self._journals, self._keys = Link(greeting.journals.socket), Link(greeting.keys.socket)
        for link in (self._journals, self._keys):
            self._watch.add(link.fileno(), READ, partial(self._ready, link))
        self._set_limits(greeting.memory)
        self._said.clear()
        for line, found in zip(self._lines, greeting.found, strict=True):
            alive_at = greeting.alive_at[line.board] or self._remembered.ended_at
            away = None if alive_at is None else max(0.0, time.time() - alive_at)
            if line.journal:
                line.journal.attach(self._journals, found, away, self._remembered.ends[line.board, line.slot])
        for board, newest in greeting.newest_key.items():
            self._read_up_to[board] = _where_to_read(self._read_up_to.get(board), newest)
        self._ask_for_keys(self._keys)
        self.tick(time.monotonic())

    def _ready(self, link: Link, events: int) -> None:
        if link not in (self._journals, self._keys):
            return  # lost a moment ago
        if events & WRITE:
            self._flush(link)
        if events & ~WRITE and link in (self._journals, self._keys):
            self._receive(link)

    # What is typed

    def _ask_for_keys(self, link: Link) -> None:
        names = [journal.keys_stream(board) for board in self._boards]
        words: tuple[Word, ...] = (
            "XREAD",
            "COUNT",
            KEYS_AT_ONCE,
            "BLOCK",
            round(BLOCK_SECONDS * 1000),
            "STREAMS",
            *names,
        )
        link.send(*words, *(self._read_up_to[board] for board in self._boards), then=self._take_keys)
        self._flush(link)

    def _take_keys(self, reply: Any) -> None:
        if isinstance(reply, ReplyError):
            raise LinkLost(f"The broker refuses to tell what is typed: {reply}.")
        moment, unix = time.monotonic(), time.time()
        for name, entries in reply or []:
            board = name.decode().split(":")[1]
            for entry_id, words in entries:
                self._read_up_to[board] = entry_id
                self._take_key(board, entry_id, words, moment, unix)
            self._forget_keys(board, len(entries))
        if self._keys is not None:
            self._ask_for_keys(self._keys)

    def _forget_keys(self, board: str, count: int) -> None:
        """Keys that were taken are nobody's any more; a pasted file must not stay in the broker's memory."""
        self._taken[board] = self._taken.get(board, 0) + count
        if self._taken[board] >= KEYS_AT_ONCE and self._keys is not None:
            self._taken[board] = 0
            self._keys.send("XTRIM", journal.keys_stream(board), "MINID", self._read_up_to[board], then=_ignore)

    def _take_key(self, board: str, entry_id: bytes, words: list[bytes], moment: float, unix: float) -> None:
        try:
            typed = read_typed(entry_id, dict(zip(words[::2], words[1::2], strict=True)), moment, unix)
        except ValueError as error:
            log.warning("%s: %s", journal.keys_stream(board), error)
            return
        self._typed(self._at.get((board, typed.slot)), board, typed)

    # What is said now and then

    def _say_ports(self, moment: float) -> None:
        assert self._journals is not None
        good_for = max(SHORTEST_PORT_SECONDS, PORT_SECONDS / self._scale)
        for line in self._lines:
            status, (before, said_at) = line.status(), self._said.get(line, ({}, 0.0))
            if status == before and moment - said_at < good_for / 3:
                continue
            self._said[line] = (status, moment)
            line.measure(moment)
            names, text = journal.Keys(line.board, line.slot), json.dumps({**status, **line.figures()})
            self._journals.send("SET", names.port, text, "PX", round(good_for * 1000), then=_ignore)
            self._tell(names, "port")
        self._flush(self._journals)

    def _tell(self, names: journal.Keys, what: str) -> None:
        assert self._journals is not None
        words: tuple[Word, ...] = ("XADD", names.news, "MAXLEN", "~", journal.NEWS_KEPT, "*", journal.NEWS)
        self._journals.send(*words, journal.news(what), then=_ignore)

    def _say_alive(self, moment: float) -> None:
        if self._journals is None:
            return
        if moment - self._alive_at >= ALIVE_SECONDS:
            self._alive_at = moment
            for board in self._boards:
                self._journals.send("SET", journal.daemon_key(board), json.dumps({"at": time.time()}), then=_ignore)
        if moment - self._memory_at >= MEMORY_SECONDS / self._scale:
            self._memory_at = moment
            self._journals.send("INFO", "memory", then=self._set_limits)
        self._flush(self._journals)

    def _set_limits(self, reply: Any) -> None:
        """Journals take at most half of the broker's memory, and an eighth once all else has filled it."""
        if isinstance(reply, ReplyError):
            return
        figures = dict(line.split(b":", 1) for line in reply.split(b"\r\n") if b":" in line)
        allowed, used = int(figures.get(b"maxmemory", 0)), int(figures.get(b"used_memory", 0))
        share = 1.0
        if allowed and self._lines:
            portion = allowed / (8 if used > allowed * 3 / 4 else 2)
            # Two epochs of each console, each no more than twice its bytes (one-byte entries take twelve bytes each).
            share = min(1.0, portion / len(self._lines) / 2 / (2 * journal.RETAINED_BYTES))
        self._limits.bytes = int(journal.RETAINED_BYTES * share)
        self._limits.entries = int(journal.RETAINED_ENTRIES * share)

    def close(self) -> None:
        """Send what is left, for half a second at most, and say that there is no daemon any more. Blocks."""
        deadline = time.monotonic() + FAREWELL_SECONDS
        if self._journals is not None:
            for line in self._lines:
                names = journal.Keys(line.board, line.slot)
                self._journals.send("DEL", names.port, then=_ignore)
                self._tell(names, "port")
            for board in self._boards:
                self._journals.send("SET", journal.daemon_key(board), json.dumps({"at": time.time()}), then=_ignore)
        while self._journals is not None and time.monotonic() < deadline:
            self.pump()
            if self._journals is None or not (self._journals.unsent or self._journals.silent_seconds(deadline)):
                break
            self._watch.wait(0.02)
        self._hang_up()


def _where_to_read(before: bytes | None, newest: bytes | None) -> bytes:
    """From where keys are read on a new connection: at the first from the end, then from where we were.

    A stream that ends before that place is another one: the broker lost its memory, and all in it is new.
    """
    if before is None:
        return newest or b"0-0"
    if newest is None or Cursor.parse(newest) < Cursor.parse(before):
        return b"0-0"
    return before


def _ignore(reply: Any) -> None:
    """Said again soon."""
