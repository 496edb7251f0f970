"""The same image in every packing, made once for all tests."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from hardware.flash.decoders import FORMATS
from hardware.flash.image import ImageFacts, inspect
from tests.hardware.flash.disk_images import loop_device, make_image, pack, soiled

Disks = Callable[..., Path]


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image as it is, not to be written to."""
    return make_image(tmp_path_factory.mktemp("image") / "disk.img")


@pytest.fixture(scope="session")
def packed(image: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The image in each format, under names that say nothing."""
    directory = tmp_path_factory.mktemp("packed")
    return {format: pack(image, format, directory / f"{number}.bin") for number, format in enumerate(FORMATS)}


@pytest.fixture(scope="session")
def facts(packed: dict[str, Path]) -> dict[str, ImageFacts]:
    return {format: inspect(path) for format, path in packed.items()}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disks]:
    """Makes loop devices of 28 MiB, or whatever it is asked for, full of old bytes."""
    with ExitStack() as stack:
        made = 0

        def make(size: int = 28 * 1024**2, *options: object) -> Path:
            nonlocal made
            made += 1
            return stack.enter_context(loop_device(soiled(tmp_path / f"disk{made}", size), *options))

        yield make
