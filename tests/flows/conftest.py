"""One portal for the tests of a module that leave it running, or one for a test that does not."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.flows.scene import Scene, running


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A portal for the whole module, at the module's SCALE."""
    with running(tmp_path_factory.mktemp("scene"), scale=getattr(request.module, "SCALE", 10.0)) as shared:
        yield shared


@pytest.fixture
def own_scene(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Scene]:
    """A portal for one test."""
    with running(tmp_path, scale=getattr(request.module, "SCALE", 10.0)) as scene:
        yield scene
