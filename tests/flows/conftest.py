"""Two portals for all flow tests that leave one running: a start costs as much as most tests do."""

from collections.abc import Iterator

import pytest

from tests.flows.scene import Scene, running


@pytest.fixture(scope="package")
def _fast(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running(tmp_path_factory.mktemp("fast"), scale=10.0) as scene:
        yield scene


@pytest.fixture(scope="package")
def _unhurried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with running(tmp_path_factory.mktemp("unhurried"), scale=6.0) as scene:
        yield scene


@pytest.fixture
def scene(_fast: Scene) -> Scene:
    """A portal in time ten times as fast. What its SOMs do is left over from the test before."""
    _fast.ready()
    return _fast


@pytest.fixture
def unhurried(_unhurried: Scene) -> Scene:
    """The same for tests that have to act in the middle of a press: its eight seconds take one and a third."""
    _unhurried.ready()
    return _unhurried
