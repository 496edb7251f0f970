"""The writer against a broker that confirms late, loses connections, works off old ones, and forgets: many seeds."""

import json
import random
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from consoles.journal import Cursor, Epoch, Keys
from consoles.journal_writer import Found, JournalWriter, Limits
from consoles.markers import Marker
from consoles.resp import ReplyError

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
KEYS = Keys("b1", 2)
SEEDS = [*range(25), *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(25, 300))]
SMALLER = ReplyError("ERR The ID specified in XADD is equal or smaller than the target stream top item")


class Memory:
    """What a broker holds, and its rules for it."""

    def __init__(self) -> None:
        self.streams: dict[str, list[tuple[Cursor, bytes, bytes]]] = {}
        self.epochs: list[Epoch] = []

    def do(self, words: tuple[Any, ...]) -> Any:
        if words[0] == "RPUSH":
            self.epochs.append(Epoch.from_json(words[2]))
        elif words[0] == "XADD" and words[1] != KEYS.news:
            stream = self.streams.setdefault(words[1], [])
            cursor = Cursor.parse(words[2])
            if stream and cursor <= stream[-1][0]:
                return SMALLER
            stream.append((cursor, words[3], words[4]))
        return b"OK"

    def found(self) -> Found:
        if not self.epochs:
            return Found()
        stream = self.streams.get(KEYS.stream(self.epochs[-1].epoch))
        return Found(tuple(self.epochs), stream[-1][0] if stream else None)


class Line:
    """A connection: commands that have not arrived, and answers that have not."""

    def __init__(self) -> None:
        self.has_room = True
        self.commands: deque[tuple[tuple[Any, ...], Callable[[Any], None]]] = deque()
        self.answers: deque[tuple[Any, Callable[[Any], None]]] = deque()
        self._transaction: list[tuple[Any, ...]] | None = None

    def send(self, *words: Any, then: Callable[[Any], None]) -> None:
        self.commands.append((words, then))

    def arrive(self, memory: Memory, count: int) -> None:
        for _ in range(min(count, len(self.commands))):
            words, then = self.commands.popleft()
            plain = tuple(word.decode() if isinstance(word, bytes) and n < 2 else word for n, word in enumerate(words))
            self.answers.append((self._do(memory, plain), then))

    def _do(self, memory: Memory, words: tuple[Any, ...]) -> Any:
        if words[0] == "MULTI":
            self._transaction = []
            return b"OK"
        if words[0] == "EXEC":
            assert self._transaction is not None
            work, self._transaction = self._transaction, None
            return [memory.do(each) for each in work]
        if self._transaction is not None:
            self._transaction.append(words)
            return b"QUEUED"
        return memory.do(words)

    def answer(self, count: int) -> None:
        for _ in range(min(count, len(self.answers))):
            reply, then = self.answers.popleft()
            then(reply)


class World:
    """One writer, one broker, and chance."""

    def __init__(self, seed: int, *, may_forget: bool) -> None:
        self.chance = random.Random(seed)
        self.may_forget = may_forget
        self.memory = Memory()
        self.writer = JournalWriter(KEYS, lambda: NOON, Limits())
        self.truth = b""
        self.said = 0
        self.link: Line | None = None
        self.old: list[Line] = []  # connections that are given up, of which the broker still has something to read

    def step(self) -> None:
        act = self.chance.choices(
            [
                self.bring,
                self.say,
                self.pump,
                self.arrive,
                self.answer,
                self.lose,
                self.connect,
                self.work_off,
                self.forget,
            ],
            [30, 5, 25, 20, 20, 4, 8, 6, 1],
        )[0]
        act()

    def bring(self) -> None:
        data = self.chance.randbytes(self.chance.choice([1, 3, 100, 5000]))
        self.truth += data
        self.writer.append(data)

    def say(self) -> None:
        self.said += 1
        self.writer.mark(Marker("break", NOON, "said", {"number": self.said}))

    def pump(self) -> None:
        if self.link:
            self.link.has_room = self.chance.random() < 0.8
            self.writer.pump(self.link)  # type: ignore[arg-type]

    def arrive(self) -> None:
        if self.link:
            self.link.arrive(self.memory, self.chance.randrange(1, 9))

    def answer(self) -> None:
        if self.link:
            self.link.answer(self.chance.randrange(1, 9))

    def lose(self) -> None:
        if self.link:
            self.old.append(self.link)
            self.link = None
            self.writer.detach()

    def connect(self) -> None:
        if self.link is None:
            self.old = []  # CLIENT KILL
            self.link = Line()
            self.writer.attach(self.link, self.memory.found(), None, 0)  # type: ignore[arg-type]

    def work_off(self) -> None:
        for line in self.old:
            line.arrive(self.memory, self.chance.randrange(0, 9))

    def forget(self) -> None:
        if self.may_forget:
            self.lose()
            self.memory, self.old = Memory(), []

    def settle(self) -> None:
        self.connect()
        assert self.link
        for _ in range(1000):
            self.link.has_room = True
            self.writer.pump(self.link)  # type: ignore[arg-type]
            self.link.arrive(self.memory, 1000)
            self.link.answer(1000)
            if not self.writer.waits and not self.link.commands:
                return
        raise AssertionError("it never comes to rest")


def check(world: World) -> tuple[int, list[int]]:
    """Every entry of every epoch against the truth; returns missing bytes and markers of the last epoch."""
    missing, numbers = 0, []
    for epoch in world.memory.epochs:
        at, missing, numbers = epoch.first, 0, []
        for cursor, field, content in world.memory.streams.get(KEYS.stream(epoch.epoch), []):
            if field == b"d":
                start = cursor.offset - len(content)
                assert start >= at, "no byte is there twice"
                assert content == world.truth[start : cursor.offset], "every byte is in its place"
                missing, at = missing + start - at, cursor.offset
            else:
                assert cursor.offset == at
                numbers.append(json.loads(content)["detail"].get("number", 0))
    assert at == len(world.truth), "nothing is held back"
    return missing, [number for number in numbers if number]


@pytest.mark.parametrize("seed", SEEDS)
def test_whatever_becomes_of_connections_every_byte_and_marker_is_there_once(seed: int) -> None:
    world = World(seed, may_forget=False)
    for _ in range(300):
        world.step()
    world.settle()
    missing, numbers = check(world)
    assert missing == 0
    assert numbers == list(range(1, world.said + 1))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_broker_that_forgets_again_and_again_never_has_a_byte_in_the_wrong_place(seed: int) -> None:
    world = World(seed, may_forget=True)
    for _ in range(300):
        world.step()
    world.settle()
    missing, numbers = check(world)
    assert missing == 0
    assert numbers == sorted(set(numbers))


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_dropped_is_counted_to_the_byte(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consoles.journal_writer.KEPT_BYTES", 40_000)
    monkeypatch.setattr("consoles.journal_writer.JOINED_BYTES", 4000)
    world = World(seed, may_forget=True)
    for _ in range(300):
        world.step()
    world.settle()
    missing, _ = check(world)
    told = [
        json.loads(content)["detail"]["bytes"]
        for _, field, content in world.memory.streams[KEYS.stream(world.memory.epochs[-1].epoch)]
        if field == b"m" and b'"kind":"dropped"' in content
    ]
    assert sum(told) == missing
