"""Brokers that tests may take away, lines, and daemons that are ended whatever happens."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from tests.consoles.rig import Reader, Serving, Som, Start
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


@pytest.fixture
def serve(private_broker: Broker) -> Iterator[Start]:
    started: list[Serving] = []

    def start(*paths: Path, **more: object) -> Serving:
        started.append(Serving(private_broker.url, list(paths), **more))  # type: ignore[arg-type]
        return started[-1]

    yield start
    for serving in started:
        serving.close()


@pytest.fixture
def reader(client: "redis.Redis") -> Reader:
    return Reader(client)
