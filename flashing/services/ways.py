"""How a slot's storage becomes a disk of ours: one class for each method, each with `open`.

`open` blocks until the storage is there, through a person's hands where it takes them, and returns it opened for us
alone with the identity that the plan binds it to. What it returns may be closed at any time. It raises HardwareError,
Stopped among them, and never writes.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from django.conf import settings
from django.utils import timezone

from flashing.guidance import AWAIT_BOOT_ROM, AWAIT_DISK, FEED, HOLD_BOOT
from flashing.models import FlashJob, Method, Phase
from flashing.services import promises, queueing
from hardware import endpoints
from hardware.clock import SystemClock
from hardware.contracts import BlockTarget
from hardware.errors import BootModeTimeout, DeviceNotFound, Stopped, TargetRefused
from hardware.flash.disks import LOOK_SECONDS, DiskIdentity
from hardware.flash.lateclose import LateClosing
from hardware.flash.media import Medium
from hardware.flash.target import FileTarget
from hardware.flash.usbport import BOOT_ROM_SECONDS, UsbPort, UsbSight, UsbState
from hardware.som import PowerState
from slots.services import execution, parts, power, pressing

if TYPE_CHECKING:
    from flashing.services.attending import Attendant

CLOCK = SystemClock()
GONE_SECONDS = 5.0  # in which the host notices that a device is gone; UNVERIFIED, it takes well under a second
HANDS_SECONDS = 600.0  # for a walk to the board with a cable; our choice
# So long somebody holds BOOT who has said so, on the real clock; a press that comes later starts or stops a system.
PRESS_WITHIN = timedelta(seconds=10)

Found = tuple[BlockTarget, DiskIdentity]


class Way(Protocol):
    """See the module."""

    def __init__(self, one: "Attendant") -> None: ...

    def open(self) -> Found: ...


def way(one: "Attendant") -> Way:
    """The way that was chosen for that slot."""
    return WAYS[Method(one.job.method)](one)


def protected() -> list[Path]:
    """What the portal lives from: no disk that holds any of it is ever written."""
    return [Path(settings.DATA_DIR), Path(settings.BASE_DIR)]


class FileWay:
    """A file that stands for a disk, bound by its inode and size."""

    def __init__(self, one: "Attendant") -> None:
        self._path = Path(one.job.address)

    def open(self) -> Found:
        target = FileTarget.open(self._path)
        status = os.stat(self._path)
        identity = DiskIdentity(str(self._path), "", "", f"inode {status.st_ino}", target.size_bytes)
        return LateClosing(target), identity


class NetworkWay:
    """A disk of the Linux that runs on the SOM."""

    def __init__(self, one: "Attendant") -> None:
        self._one = one

    def open(self) -> Found:
        from flashing.services import machines, network  # only who goes this way needs what it takes
        from hardware.flash.network import RemoteTarget, find_disk, parse_place

        job, keys, stop = self._one.job, network.keys(), self._one.stop.requested
        machines.refuse_another_slots(keys, parse_place(job.address)[0], self._one.operation.resource)
        identity = DiskIdentity(**job.identity) if job.identity else find_disk(job.address, keys, stop).identity
        return RemoteTarget.open(identity, keys, stop), identity


class DiskWay:
    """The disk that is at the slot's USB path already."""

    def __init__(self, one: "Attendant") -> None:
        self._one = one
        spec = parts.spec(one.operation.board)
        self._port: UsbPort = endpoints.open_usb_port(one.job.address, spec.rpiboot_gadget)

    def open(self) -> Found:
        self._tell(self._port.look())
        return self._open_medium()

    def _open_medium(self) -> Found:
        name = self._one.job.medium
        medium = Medium(name) if name in set(Medium) else Medium.DISK
        disk = self._port.match(medium, emmc_gb=self._one.slot.som.emmc_gb)
        return LateClosing(self._port.open(disk.identity, protected=protected())), disk.identity

    def _tell(self, sight: UsbSight) -> None:
        """What answers at the USB path, for the page and the log."""
        FlashJob.objects.filter(pk=self._one.job.pk).update(usb_words=sight.words)
        self._one.say(sight.words)
        queueing.hint(self._one.run.row)

    def _step(self, number: int, words: str) -> None:
        """What hands are asked for now, by its number in the guidance; 0 = nothing. A second click on what was asked
        for before asks for nothing."""
        FlashJob.objects.filter(pk=self._one.job.pk).update(hands_step=number, press_asked_at=None)
        self._one.enter(Phase.BOOT_MODE, words)

    def _begin_hands(self) -> None:
        """Blocks until it is this slot's turn; its time counts from then."""
        self._one.enter(Phase.BOOT_MODE, "waiting for hands to be done with the slots before it")
        self._one.run.hands.await_turn(self._one.job.number, self._one.raise_if_stopped)
        deadline = timezone.now() + timedelta(seconds=HANDS_SECONDS / settings.TIME_SCALE)
        FlashJob.objects.filter(pk=self._one.job.pk).update(hands_deadline=deadline)
        self._until = CLOCK.monotonic() + HANDS_SECONDS

    def _end_hands(self) -> None:
        FlashJob.objects.filter(pk=self._one.job.pk).update(hands_step=0, hands_deadline=None)
        self._one.run.hands.leave(self._one.job.number)


class UmsWay(DiskWay):
    """A boot loader that shows its storage as a USB disk, once hands have brought it there. Our line is not used."""

    def open(self) -> Found:
        self._begin_hands()
        self._step(HOLD_BOOT, "waiting for the boot loader's disk")
        self._await_other_than(self._port.look())
        stop = self._one.stop.requested
        try:
            self._port.await_storage(CLOCK, stop=stop, on_sight=self._tell, timeout_seconds=HANDS_SECONDS)
        except DeviceNotFound as error:
            raise BootModeTimeout(self._port.look().words, HANDS_SECONDS) from error
        # As promised: what hands started anew is in its boot loader until hands do so again.
        execution.write_state(self._one.slot, self._one.operation, PowerState.UNKNOWN, line_low=False)
        self._end_hands()
        return self._open_medium()

    def _await_other_than(self, before: UsbSight) -> None:
        """What was there before anybody held BOOT may be any disk, a stick of the eMMC's size for one: it does not
        count until it starts anew."""
        if before.state is not UsbState.DISKS:
            return
        self._one.say(f"{before.what}, which was there before: hold BOOT and press RESET, or unplug it.", "warn")
        while (sight := self._port.look()).number == before.number:
            if CLOCK.monotonic() > self._until:
                raise BootModeTimeout(sight.words, HANDS_SECONDS)
            if CLOCK.wait(LOOK_SECONDS, self._one.stop.requested):
                raise Stopped("Waiting for BOOT")


class RpibootWay(DiskWay):
    """BOOT held by hand, the line pressed by us, the boot ROM that then answers fed with the gadget."""

    def open(self) -> Found:
        self._begin_hands()
        self._traits = power.traits_of(self._one.slot)
        self._boot_rom = self._traits.boot_rom
        self._await_boot_rom()
        stop = self._one.stop.requested
        self._step(FEED, "the boot ROM answers and is given the mass-storage gadget")
        self._port.start_storage(CLOCK, stop, self._one.say)
        self._step(AWAIT_DISK, "waiting for its storage to appear")
        self._port.await_storage(CLOCK, stop=stop, on_sight=self._tell)
        self._end_hands()
        return self._open_medium()

    def _await_boot_rom(self) -> None:
        """Until the right boot ROM answers that was not there before the press. A level line may be pressed again; a
        button may not, since it might stop what it started."""
        self._step(HOLD_BOOT, "waiting for somebody to hold BOOT")
        seen: UsbSight | None = None
        pressed_at: float | None = None
        while True:
            if (sight := self._port.look(self._boot_rom)) != seen:
                self._tell(sight)
                seen = sight
            if pressed_at is not None and self._has_answered():
                return
            if self._is_held():
                self._press()
                pressed_at = CLOCK.monotonic()
            elif pressed_at is not None and CLOCK.monotonic() - pressed_at > BOOT_ROM_SECONDS:
                self._offer_another_press()
            if CLOCK.monotonic() > self._until:
                raise BootModeTimeout(sight.words, HANDS_SECONDS)
            if CLOCK.wait(LOOK_SECONDS, self._one.stop.requested):
                raise Stopped("Waiting for BOOT")

    def _has_answered(self) -> bool:
        """Raises TargetRefused if what answers is another boot ROM, or a disk."""
        try:
            self._port.await_boot_rom(self._boot_rom, CLOCK, timeout_seconds=0)
        except DeviceNotFound:
            return False
        return True

    def _is_held(self) -> bool:
        """Somebody says that BOOT is held, and nothing is there that could be mistaken for this slot's boot ROM. (What
        a level line's press makes go away was this slot's own, left from before.)"""
        job = FlashJob.objects.get(pk=self._one.job.pk)
        if job.press_asked_at is None:
            return False
        FlashJob.objects.filter(pk=job.pk).update(press_asked_at=None)
        if abs(timezone.now() - job.press_asked_at) > PRESS_WITHIN:
            self._one.say("That BOOT is held was said too long ago: hold it and say so again.", "warn")
            queueing.hint(self._one.run.row)
            return False
        try:
            self._port.require_clear(self._boot_rom)
        except TargetRefused as refused:
            if not self._traits.is_button:
                return True
            self._one.say(str(refused), "warn")
            FlashJob.objects.filter(pk=job.pk).update(usb_words=str(refused)[:200])
            queueing.hint(self._one.run.row)
            return False
        return True

    def _press(self) -> None:
        one, before = self._one, self._port.look(self._boot_rom)
        one.slot.refresh_from_db()
        sequence = promises.press(one.slot)
        execution.refuse_after_power_loss(one.slot.board, parts.hardware(one.operation.board))
        self._step(AWAIT_BOOT_ROM, "starting it into its boot ROM")
        outcome = pressing.press(
            one.slot, sequence, one.operation, one.job.generation, one.stop, on_move=one.note_press
        )
        if one.was_pressed:
            execution.write_state(one.slot, one.operation, PowerState.ON, line_low=False)
        if outcome.stopped:
            raise Stopped("The press")
        if before.state in (UsbState.BOOT_ROM, UsbState.DISKS):
            self._await_gone(before)

    def _await_gone(self, before: UsbSight) -> None:
        """Raises TargetRefused if what was there before the press is there still."""
        deadline = CLOCK.monotonic() + GONE_SECONDS
        while self._port.look(self._boot_rom).number == before.number:
            if CLOCK.monotonic() > deadline:
                raise TargetRefused(
                    f"{before.words} It stayed there while slot {self._one.job.number} was started anew, so it is "
                    "another's: unplug it."
                )
            if CLOCK.wait(LOOK_SECONDS, self._one.stop.requested):
                raise Stopped("Waiting for BOOT")

    def _offer_another_press(self) -> None:
        """Nothing has answered for a while. What counts is what answers, so it is still waited for."""
        row = FlashJob.objects.filter(pk=self._one.job.pk, hands_step=AWAIT_BOOT_ROM)
        if self._traits.is_button or not row.exists():
            return
        self._one.say("Nothing has answered yet: check the cable, hold BOOT, and have it pressed again.", "warn")
        self._step(HOLD_BOOT, "nothing has answered yet; waiting for somebody to hold BOOT again")


WAYS: dict[Method, type[Way]] = {
    Method.FILE: FileWay,
    Method.NETWORK: NetworkWay,
    Method.DISK: DiskWay,
    Method.UMS: UmsWay,
    Method.RPIBOOT: RpibootWay,
}
BY_HANDS = (Method.UMS, Method.RPIBOOT)
