"""A target to which something happens at a chosen stage of a flash, and one that is smaller than it says."""

import os
import signal
import threading
import time
from collections.abc import Callable

from hardware.contracts import BlockTarget
from hardware.errors import ReadError, VerifyError, WriteError
from hardware.flash.pieces import HEAD_BYTES
from tests.hardware.flash.disk_images import MIB
from tests.hardware.flash.faulty import Faulty

STAGES = ("blanking", "writing", "head", "verifying", "finishing")
FIRST_BOOT = b"hostname: kestrel\n" * 300
FIRST_BOOT_AT = 5 * MIB + 123


class Troubled(Faulty):
    """At the first access of `stage`, `trouble(target, access, offset)` is called before it is passed on.

    `access` is "write", "sync" or "read". A trouble that lasts is one for which `lasts` is set: it is called again at
    every access from then on, whatever stage that is.
    """

    def __init__(self, target: BlockTarget, stage: str, trouble: "Trouble") -> None:
        super().__init__(target)
        self.stage = "blanking"
        self.lasts = False
        self._wanted = stage
        self._trouble = trouble
        self._had = False

    def _access(self, access: str, offset: int) -> None:
        if self.lasts or (self.stage == self._wanted and not self._had):
            self._had = True
            self._trouble(self, access, offset)

    def write(self, offset: int, data: memoryview) -> None:
        if offset < HEAD_BYTES and self.stage == "writing":
            self.stage = "head"
        self._access("write", offset)
        super().write(offset, data)

    def clear(self, offset: int, length: int) -> bool:
        self._access("write", offset)
        return super().clear(offset, length)

    def sync(self) -> None:
        self._access("sync", 0)
        super().sync()
        if self.stage == "blanking":
            self.stage = "writing"

    def read(self, offset: int, buffer: memoryview) -> None:
        if self.stage == "head":
            self.stage = "verifying"
        self._access("read", offset)
        super().read(offset, buffer)


Trouble = Callable[[Troubled, str, int], None]


def finish(target: BlockTarget) -> None:
    """Writes first-boot files and reads them back, as whoever customises an image does."""
    target.write(FIRST_BOOT_AT, memoryview(FIRST_BOOT))
    target.sync()
    found = memoryview(bytearray(len(FIRST_BOOT)))
    target.read(FIRST_BOOT_AT, found)
    if found != FIRST_BOOT:
        raise VerifyError(target.name, FIRST_BOOT_AT, len(FIRST_BOOT))


def finish_at(troubled: Troubled) -> Callable[[BlockTarget], None]:
    def finish_there(target: BlockTarget) -> None:
        troubled.stage = "finishing"
        finish(target)

    return finish_there


# What may happen


def pull_the_cable(target: Troubled, access: str, offset: int) -> None:
    target.lasts = True
    raise (ReadError if access == "read" else WriteError)(target.name, offset, "No such device")


def fill_up(target: Troubled, access: str, offset: int) -> None:
    target.lasts = True
    if access != "read":
        raise WriteError(target.name, offset, "No space left on device")


def meet_a_bad_block(target: Troubled, access: str, offset: int) -> None:
    raise (ReadError if access == "read" else WriteError)(target.name, offset, "Input/output error")


def lie(target: Troubled, access: str, offset: int) -> None:
    """Whatever it is sent, it keeps something else in two places, and says that all is well."""
    target.lasts = True
    for at in (13 * MIB, FIRST_BOOT_AT):
        target.inner.write(at, memoryview(b"\xee" * 16))


def cancel(stop: threading.Event) -> Trouble:
    def set_and_let_it_be_seen(target: Troubled, access: str, offset: int) -> None:
        stop.set()
        time.sleep(0.2)

    return set_and_let_it_be_seen


def cut_the_power(target: Troubled, access: str, offset: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


class Wrapping(Faulty):
    """Has half of what it says, and puts the other half on top of the first, as fake cards do."""

    def write(self, offset: int, data: memoryview) -> None:
        super().write(offset % (self.size_bytes // 2), data)

    def read(self, offset: int, buffer: memoryview) -> None:
        super().read(offset % (self.size_bytes // 2), buffer)

    def clear(self, offset: int, length: int) -> bool:
        return False
