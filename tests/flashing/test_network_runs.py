"""A whole flash over the network: a real SSH server stands for the SOM's Linux, a loop device for its disk."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flashing.models import FlashRun, Method
from flashing.services import execution, network, requests
from flashing.services.requests import Ask, TargetAsk
from operations.models import Claim
from slots.models import Board, Contents
from tests.flashing import rig
from tests.flashing.rig import MIB
from tests.hardware.flash.disk_images import loop_device, mounted, run
from tests.sshd import SshServer

pytestmark = [pytest.mark.root, pytest.mark.django_db(transaction=True)]
SLOT = f"{rig.SLUG}/slot:2"


@pytest.fixture
def som(tmp_path: Path, flasher) -> Iterator[SshServer]:
    """Known and willing."""
    (tmp_path / "som").mkdir()
    server = SshServer(tmp_path / "som")
    server.welcome(network.keys())
    host = str(server.address)
    network.trust(SLOT, host, network.fingerprint(SLOT, host, flasher).fingerprint, flasher)
    yield server
    server.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "disk").write_bytes(rig.noise(2))
    with loop_device(tmp_path / "disk") as device:
        yield device


def request(image, flasher, som: SshServer, disk: Path) -> FlashRun:
    target = TargetAsk(2, Method.NETWORK, disk.name, f"{som.address}:{disk}")
    ask = Ask(image.pk, (target,), typed={2: rig.name(2)})
    return requests.request_flash(Board.objects.get(slug=rig.SLUG), ask, flasher)


def flash(image, flasher, som: SshServer, disk: Path) -> FlashRun:
    asked = request(image, flasher, som, disk)
    execution.execute(str(rig.job(asked).operation_id))
    return asked


def test_a_disk_of_a_som_that_runs_linux_is_flashed_and_read_back(image, flasher, me, som, disk, tmp_path):
    asked = flash(image, flasher, som, disk)
    job = rig.job(asked)
    assert rig.ended(job) == ("succeeded", ""), rig.log(job)
    held, wanted = (tmp_path / "disk").read_bytes(), rig.raw_image()
    assert held[: MIB + 4096 + MIB // 4] == wanted[: MIB + 4096 + MIB // 4]
    assert held[4 * MIB :] == rig.noise(2)[4 * MIB :]
    assert job.identity["place"] == job.address == f"{som.address}:{disk}"
    assert (rig.slot(2).contents, Claim.objects.count()) == (Contents.IMAGE, 0)


def test_a_disk_that_the_som_has_mounted_is_left_alone(image, flasher, me, som, disk, tmp_path):
    run("mkfs.ext4", "-q", disk)
    before = (tmp_path / "disk").read_bytes()
    with mounted(disk, tmp_path / "mnt", "-o", "ro,noload"):
        job = rig.job(flash(image, flasher, som, disk))
    assert rig.ended(job) == ("failed", "target-in-use")
    assert f"it is mounted on {tmp_path}/mnt." in job.operation.message
    assert (tmp_path / "disk").read_bytes() == before
    assert (rig.slot(2).contents, Claim.objects.count()) == ("", 0)


def test_a_som_that_was_set_up_anew_is_not_written(image, flasher, me, som, disk, tmp_path):
    som.make_host_key()
    job = rig.job(flash(image, flasher, som, disk))
    assert rig.ended(job) == ("failed", "host-key-changed")
    assert (tmp_path / "disk").read_bytes() == rig.noise(2)


def test_a_disk_that_has_another_name_since_it_was_chosen_is_not_mistaken(image, flasher, me, som, disk, tmp_path):
    shown = {one.name for one in network.disks(SLOT, str(som.address), flasher)}
    assert disk.name in shown
    asked = request(image, flasher, som, disk)
    with (tmp_path / "disk").open("ab") as file:  # the SOM was restarted, and the name is another disk's now
        file.truncate(2 * len(rig.noise(2)))
    run("losetup", "--set-capacity", disk)
    execution.execute(str(rig.job(asked).operation_id))
    job = rig.job(asked)
    assert rig.ended(job) == ("failed", "target-changed")
    assert "The disk that was planned for is" in job.operation.message
    assert (tmp_path / "disk").read_bytes()[: len(rig.noise(2))] == rig.noise(2)


def test_a_machine_that_became_another_slots_meanwhile_is_not_written(image, flasher, me, som, disk, tmp_path):
    asked = request(image, flasher, som, disk)
    other, host = f"{rig.SLUG}/slot:3", str(som.address)
    network.trust(other, host, network.fingerprint(other, host, flasher).fingerprint, flasher)
    execution.execute(str(rig.job(asked).operation_id))
    assert rig.ended(rig.job(asked)) == ("failed", "target-refused")
    assert (tmp_path / "disk").read_bytes() == rig.noise(2)
