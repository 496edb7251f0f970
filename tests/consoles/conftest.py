"""Brokers that tests may take away, lines, and daemons that are ended whatever happens; pages that are closed."""

import itertools
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import redis

from accounts import sockets
from tests.consoles.rig import Reader, Serving, Som
from tests.consoles.visit import Line as Console
from tests.consoles.visit import Visitors, make_slot
from tests.flows.broker import Broker


@pytest.fixture
def private_broker() -> Iterator[Broker]:
    """A broker of this test's own. (Its socket's path has to be short.)"""
    with tempfile.TemporaryDirectory(prefix="np-b-") as folder:
        broker = Broker(Path(folder))
        broker.start()
        yield broker
        broker.kill()


@pytest.fixture
def client(private_broker: Broker) -> Iterator["redis.Redis"]:
    with redis.Redis.from_url(private_broker.url) as client:
        yield client


@pytest.fixture
def som(tmp_path: Path) -> Iterator[Som]:
    som = Som(tmp_path / "som")
    yield som
    som.close()


class Starter:
    """Starts daemons on the test's broker."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._started: list[Serving] = []

    def __call__(self, *paths: Path, **more: Any) -> Serving:
        self._started.append(Serving(self._url, list(paths), **more))
        return self._started[-1]

    def stop_all(self) -> None:
        while self._started:
            self._started.pop().close()


@pytest.fixture
def serve(private_broker: Broker) -> Iterator[Starter]:
    starter = Starter(private_broker.url)
    yield starter
    starter.stop_all()


@pytest.fixture
def reader(client: "redis.Redis") -> Reader:
    return Reader(client)


_boards = (f"w{number}" for number in itertools.count())


@pytest.fixture
def line(settings: Any, tmp_path: Path, db: None) -> Iterator[Console]:
    """A console that somebody may look at, on a board of the test's own."""
    settings.DATA_DIR = tmp_path
    line = Console(next(_boards))
    make_slot(line.keys.board)
    line.begin()
    yield line
    line.close()


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rights are looked at so often that waiting for it costs little; one test waits as long as users do."""
    monkeypatch.setattr(sockets, "SECONDS_BETWEEN_LOOKS", 0.05)


@pytest_asyncio.fixture
async def visit(line: Console, make_person: Callable[[str, str], Any]) -> AsyncIterator[Visitors]:
    """Opens the console of `line` as somebody."""
    visitors = Visitors(line.keys.board, make_person)
    yield visitors
    await visitors.close()
