"""One portal for all calls of a module: each finds it as it was made."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.world import World, world


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--record-examples", action="store_true", help="keep what test_examples.py sees")


@pytest.fixture(scope="module")
def portal(django_db_setup: None, django_db_blocker: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with world(tmp_path_factory.mktemp("portal"), django_db_blocker) as made:
        yield made
