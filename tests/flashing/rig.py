"""Images, storages and requests for the tests of flashing."""

import base64
import random
import subprocess
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from django.db import connection

from flashing.models import FlashJob, FlashRun, Method
from flashing.services import machines, network, requests
from flashing.services.requests import Ask, TargetAsk
from hardware.flash.sshkeys import HostKey, RemoteAddress
from hardware.flash.target import FileTarget as FileTarget
from images.models import FirmwareImage
from nanoportal import celery  # noqa: F401  makes it the current Celery app, as in the web process
from operations.models import Operation
from operations.roles import Actor
from slots.models import Board, Slot
from slots.services import power
from tests.bootable import WITH_SBIN
from tests.images import rig as images

SLUG = "demo"
MIB = 1 << 20
STORAGE_BYTES = 8 * MIB
STORED = (2, 3, 4, 6)  # the slots that have one


@cache
def noise(number: int) -> bytes:
    """What a slot's storage holds before anything is written to it."""
    return random.Random(number).randbytes(STORAGE_BYTES)


def make_storage(folder: Path, number: int) -> Path:
    """A file that stands for a slot's storage."""
    path = folder / f"slot-{number}.disk"
    with path.open("wb") as file:
        file.truncate(STORAGE_BYTES)
    return path


def fill_storages(folder: Path) -> None:
    """Let them be full of what was there before."""
    for number in STORED:
        if (path := folder / f"slot-{number}.disk").exists():
            path.write_bytes(noise(number))


def wait_for(question: Callable[[], Any], seconds: float = 15) -> None:
    """Until it is true; fails if that never comes."""
    deadline = time.monotonic() + seconds
    while not question():
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.02)


def with_connection(work: Callable[..., None]) -> Callable[..., None]:
    """`work` for a thread of its own, whose connection is closed with it."""

    def run(*given: Any) -> None:
        try:
            work(*given)
        finally:
            connection.close()

    return run


@cache
def raw_image() -> bytes:
    return images.raw_image(4)


@cache
def packed_image() -> bytes:
    return images.xz_image(4)


def kept_image(actor: Actor, **more: Any) -> FirmwareImage:
    """The image in the library, for no SOM in particular."""
    kept = images.kept_image(packed_image(), actor, **more)
    kept.som_types.clear()
    return kept


def slot(number: int) -> Slot:
    return power.find_slot(SLUG, number)


def accept(number: int, host: str) -> None:
    """As if a person had compared the host key of the machine there, for that slot."""
    address, keys = RemoteAddress.parse(host), network.keys()
    key = HostKey("ssh-ed25519", base64.b64encode(host.encode()).decode())
    keys.trust(address, key)
    machines.settle(keys, key.fingerprint, f"{SLUG}/slot:{number}")


def name(number: int) -> str:
    return requests.name_of(slot(number))


def wish(image: FirmwareImage, *numbers: int, method: Method = Method.FILE, medium: str = "file", **more: Any) -> Ask:
    """A wish for these slots, confirmed."""
    targets = tuple(TargetAsk(number, method, medium) for number in numbers)
    return Ask(**{"image_id": image.pk, "targets": targets, "typed": {n: name(n) for n in numbers}, **more})


def request(image: FirmwareImage, actor: Actor, *numbers: int, key: str = "", **more: Any) -> FlashRun:
    """A run as the pages ask for it."""
    return requests.request_flash(Board.objects.get(slug=SLUG), wish(image, *numbers, **more), actor, key)


def jobs(run: FlashRun) -> list[FlashJob]:
    """Its jobs with their operations as the database has them now."""
    return list(FlashJob.objects.filter(run=run).select_related("operation", "slot"))


def job(run: FlashRun, number: int = 2) -> FlashJob:
    return FlashJob.objects.select_related("operation", "slot", "run").get(run=run, number=number)


def ended(job: FlashJob) -> tuple[str, str]:
    """State and code of its operation."""
    operation = Operation.objects.get(pk=job.operation_id)
    return operation.state, operation.code


def log(job: FlashJob) -> list[str]:
    return [line.text for line in Operation.objects.get(pk=job.operation_id).log.all()]


def tool(*command: str) -> str:
    """What a program of Debian's says; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, env=WITH_SBIN, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
