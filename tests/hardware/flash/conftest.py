"""The same image in every packing, made once for all tests."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from hardware.flash.blockmap import BlockMap
from hardware.flash.decoders import FORMATS
from hardware.flash.image import ImageFacts, inspect
from hardware.flash.sshkeys import SshKeys, scan_host_key
from hardware.flash.target import FileTarget
from tests.hardware.flash.disk_images import MIB, loop_device, make_image, mounted, noise, pack, soiled
from tests.hardware.flash.network_bench import Bench
from tests.sshd import SshServer

Disks = Callable[..., Path]
Files = Callable[..., FileTarget]
LARGE = 32 * MIB


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The image as it is, not to be written to."""
    return make_image(tmp_path_factory.mktemp("image") / "disk.img")


@pytest.fixture(scope="session")
def packed(image: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The image in each format, under names that say nothing."""
    directory = tmp_path_factory.mktemp("packed")
    with ThreadPoolExecutor() as pool:
        paths = pool.map(
            lambda numbered: pack(image, numbered[1], directory / f"{numbered[0]}.bin"), enumerate(FORMATS)
        )
        return dict(zip(FORMATS, paths, strict=True))


@pytest.fixture(scope="session")
def facts(packed: dict[str, Path]) -> dict[str, ImageFacts]:
    return {format: inspect(path) for format, path in packed.items()}


@pytest.fixture(scope="session")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A file system in memory, so that what is measured in tests is never this machine's disk."""
    with mounted(Path("tmpfs"), tmp_path_factory.mktemp("memory"), "-t", "tmpfs", "-o", "size=1g") as path:
        yield path


@pytest.fixture
def shelf(memory: Path) -> Iterator[Path]:
    """A directory in memory for one test, for everything that is large."""
    with TemporaryDirectory(dir=memory) as path:
        yield Path(path)


@pytest.fixture
def disk(shelf: Path) -> Iterator[Disks]:
    """Makes loop devices of 28 MiB, or whatever it is asked for, full of old bytes: backed by disk1, disk2, ..."""
    with ExitStack() as stack:
        made = 0

        def make(size: int = 28 * MIB, *options: object) -> Path:
            nonlocal made
            made += 1
            return stack.enter_context(loop_device(soiled(shelf / f"disk{made}", size), *options))

        yield make


@pytest.fixture
def storage(shelf: Path) -> Iterator[Files]:
    """Makes file targets of 28 MiB, or whatever it is asked for, full of old bytes: emmc1, emmc2, ..."""
    with ExitStack() as stack:
        made = 0

        def make(size: int = 28 * MIB) -> FileTarget:
            nonlocal made
            made += 1
            target = FileTarget.open(soiled(shelf / f"emmc{made}", size))
            stack.callback(target.close)
            return target

        yield make


@pytest.fixture
def large(shelf: Path) -> tuple[Path, BlockMap]:
    """An image of LARGE bytes, all of it data: more than all buffers together hold."""
    path = shelf / "large.img"
    path.write_bytes(noise(4 * MIB) * (LARGE // 4 // MIB))
    return path, inspect(path).block_map


@pytest.fixture(scope="session")
def portal_keys(tmp_path_factory: pytest.TempPathFactory) -> SshKeys:
    keys = SshKeys(tmp_path_factory.mktemp("portal") / "100% ours" / "ssh")
    keys.public_key()
    return keys


@pytest.fixture(scope="session")
def linux(portal_keys: SshKeys, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """A SOM whose Linux runs and lets the portal in."""
    server = SshServer(tmp_path_factory.mktemp("som"))
    server.welcome(portal_keys)
    portal_keys.trust(server.address, scan_host_key(server.address))
    yield server
    server.close()


@pytest.fixture
def som(linux: SshServer) -> Iterator[SshServer]:
    """The same, as if it had just started."""
    linux.configure()
    yield linux
    linux.end_connections()


@pytest.fixture
def bench(som: SshServer, portal_keys: SshKeys) -> Iterator[Bench]:
    made = Bench(som, portal_keys)
    yield made
    for target in made.opened:
        target.close()
