"""Two portals for all flow tests that leave one running: a start costs as much as most tests do."""

from collections.abc import Iterator

import pytest

from tests.flows.broker import Broker
from tests.flows.scene import Scene, running


@pytest.fixture(scope="package")
def _broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("broker"))
    broker.start()
    yield broker
    broker.kill()


@pytest.fixture(scope="package")
def _fast(tmp_path_factory: pytest.TempPathFactory, _broker: Broker) -> Iterator[Scene]:
    with running(tmp_path_factory.mktemp("fast"), scale=10.0, REDIS_URL=_broker.url) as scene:
        yield scene


@pytest.fixture(scope="package")
def _unhurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running(tmp_path_factory.mktemp("unhurried"), scale=6.0) as scene:
        yield scene


@pytest.fixture
def broker(_broker: Broker) -> Broker:
    """The broker of `scene`."""
    _broker.start()
    return _broker


@pytest.fixture
def scene(_fast: Scene, broker: Broker) -> Scene:
    """A portal in time ten times as fast. What its SOMs do is left over from the test before."""
    _fast.ready()
    return _fast


@pytest.fixture
def unhurried(_unhurried: Scene) -> Scene:
    """The same, with the embedded broker, for tests that have to act in the middle of a press: its eight seconds take
    one and a third."""
    _unhurried.ready()
    return _unhurried
