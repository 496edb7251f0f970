"""Fixtures for the hardware floor: no database, no web."""

from pathlib import Path

import pytest

from hardware.clock import VirtualClock
from tests.hardware.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    """A simulated board fresh from power-up, with the drivers on its bus, and a clock that it lives by."""
    return Rig(tmp_path)


@pytest.fixture
def virtual_clock() -> VirtualClock:
    return VirtualClock()
