"""Every test of images has a data directory of its own, and people who ask."""

from pathlib import Path

import pytest
from django.test import Client

from slots.services import catalogue
from tests.images.rig import TusClient, person


@pytest.fixture(autouse=True)
def data_dir(settings, tmp_path) -> Path:
    settings.DATA_DIR, settings.IMPORT_DIR = tmp_path, tmp_path / "import"
    settings.IMAGE_QUOTA_BYTES = 1 << 30
    settings.IMPORT_DIR.mkdir()
    return tmp_path


@pytest.fixture
def types(db) -> None:
    """The shipped SOM types."""
    catalogue.seed_som_types()


@pytest.fixture
def olga(types) -> Client:
    return person("olga", "flasher")


@pytest.fixture
def tus(olga) -> TusClient:
    """A client of the upload protocol, with a flasher's session."""
    return TusClient(olga)
