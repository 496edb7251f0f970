"""What hands have to do so that a slot's storage becomes a disk: step by step, in plain words. Pure.

Nothing here is pretended to be automatic. The portal sees neither a BOOT button nor a cable: it sees what answers on
USB, and what a person says. A step ends with the one or the other, and names which.
"""

from dataclasses import dataclass
from enum import StrEnum

from flashing.models import Method
from hardware.som import SomTraits

#: The steps of `steps(Method.RPIBOOT, ...)`; in the first the portal presses the line. Other methods have one step.
HOLD_BOOT, AWAIT_BOOT_ROM, FEED, AWAIT_DISK = 1, 2, 3, 4


class EndsWith(StrEnum):
    """What ends a step, so that the next one lights up."""

    WORD = "word"  # a person says so: nothing else could tell
    BOOT_ROM = "boot-rom"
    PROGRAM = "program"  # rpiboot has done its part
    DISK = "disk"


@dataclass(frozen=True)
class Step:
    """One thing for hands. `seen` says what the portal sees of it; `press`: the portal presses the slot's line when the
    person says that BOOT is held."""

    title: str
    text: str
    seen: str
    ends_with: EndsWith
    press: bool = False


def steps(method: str, *, slot: int, traits: SomTraits, address: str) -> tuple[Step, ...]:
    """What hands do for a slot, in order; empty for a method that needs none. Steps count from 1.

    `address` is the slot's of the board file ("1-1.2"), or whatever the method is given.
    """
    path = usb_path(address)
    if method == Method.RPIBOOT:
        return _rpiboot(slot, traits, path)
    if method == Method.UMS:
        return (_ums(path),)
    if method == Method.DISK:
        return (_card(path),)
    return ()


def usb_path(address: str) -> str:
    """The kernel's path in an address: what lsusb and /sys call it."""
    return address.rpartition("#")[2]


def _rpiboot(slot: int, traits: SomTraits, path: str) -> tuple[Step, ...]:
    return (
        Step(
            f"Connect the Type-C of slot {slot}'s adapter to USB {path}, hold its BOOT button, and keep holding",
            f"{SOCKET} While you hold BOOT, press the button below. {_what_a_press_does(slot, traits)}",
            "Neither a cable nor the BOOT button can be seen from here: only you can say that you hold it.",
            EndsWith.WORD,
            press=True,
        ),
        Step(
            "Keep holding BOOT until its boot ROM answers",
            f"It takes about a second. The next step lights up by itself when {traits.boot_rom} answers at USB {path}.",
            f"Its boot ROM ({traits.boot_rom}) at USB {path}, which was not there before the press.",
            EndsWith.BOOT_ROM,
        ),
        Step(
            "Let go of BOOT, and leave the cable in until the slot has ended",
            "rpiboot sends it a small system that shows its storage as USB disks; some ten seconds.",
            "What rpiboot says stands in the log.",
            EndsWith.PROGRAM,
        ),
        Step(
            "Wait for its storage",
            "The small system starts and looks for the eMMC and an NVMe drive; some ten seconds more.",
            f"A disk of the right size at USB {path}.",
            EndsWith.DISK,
        ),
    )


SOCKET = (
    "On a board that is flashed from its own slot 1 that is a port of the upper USB-A socket; the lower one is for "
    "flashing slot 1 itself."
)


def _what_a_press_does(slot: int, traits: SomTraits) -> str:
    if traits.is_button:
        return f"Slot {slot}, which has to be off, then gets one press of {traits.press_seconds:g} s and starts."
    return (
        f"Slot {slot}'s line is then held low for {traits.pulse_seconds:g} s and released: whatever runs on it stops "
        "at once, and it starts anew."
    )


def _ums(path: str) -> Step:
    return Step(
        f"Connect the board's lower USB-A socket to USB {path}, hold BOOT, and press RESET",
        "Keep holding BOOT until the disk appears. RESET is the board's own button: it starts slot 1 anew, and only "
        "there does this SOM show its storage, so the portal must run on another machine. Both are for your hands; no "
        "line is pressed.",
        f"A disk at USB {path}, shown by the SOM's U-Boot.",
        EndsWith.DISK,
    )


def ums_elsewhere(slot: int) -> str:
    """Why a SOM that shows its storage by UMS cannot do so in that slot."""
    return (
        f"A SOM of this type shows its storage only in slot 1, to another machine: move it there from slot {slot}, or "
        "write it over the network once Linux runs on it."
    )


def _card(path: str) -> Step:
    return Step(
        f"Put the SD card, or the drive, into the reader at USB {path}",
        "Take it out of the SOM only while that is off. When the flash has ended, put it back by hand and start the "
        "slot. Whatever is in that reader is overwritten; with two disks there nothing is.",
        f"The one disk at USB {path}.",
        EndsWith.DISK,
    )


# When it does not work


def trouble(method: str) -> tuple[str, ...]:
    """What to try if nothing appears, the likeliest first."""
    if method == Method.RPIBOOT:
        return (
            "Another Type-C cable: many carry power only, and that cannot be seen from here.",
            "BOOT must be held before the press, and for two seconds after it.",
            "Another socket than the board file names: plug it where the USB path says, or correct the file.",
            "A SOM that was not off: a button SOM that runs is asked to shut down by the press, not started.",
        )
    if method == Method.UMS:
        return (
            "The lower USB-A socket, not the upper one; and another cable: many carry power only.",
            "BOOT must be held before RESET is pressed, and until the disk appears.",
            FEL,
        )
    if method == Method.DISK:
        return (
            "A fast reader in a blue socket has another USB path than a slow one; lsusb -t shows it.",
            "A desktop that mounts cards by itself keeps them in use: unmount it.",
        )
    return ()


#: What an Allwinner SOM without a working U-Boot shows, and what to do then: the portal does not do it.
FEL = (
    "If USB shows 1f3a:efe8, the SOM is in FEL mode: it found no U-Boot. The portal does not repair that: start one by "
    "hand with sunxi-fel uboot u-boot-sunxi-with-spl.bin (package sunxi-tools), and its disk appears here."
)


@dataclass(frozen=True)
class NotSupported:
    """A way to flash a SOM that the portal does not have: `why`, and what to do `instead`."""

    why: str
    instead: str


def not_supported(traits: SomTraits) -> NotSupported | None:
    """Why this SOM's own tool cannot be used from here; None if it can, or if it has none."""
    if traits.flash_path == "axdl":
        return NotSupported(
            f"An {traits.name} is flashed with Axera's download protocol (AXDL), which the portal does not speak yet.",
            "Flash its .axp package with Axera's tool: BOOT held, its adapter's Type-C at that tool's machine. Once "
            f"Linux runs on the {traits.name}, the portal can write a disk of it over the network, though never the "
            "one it runs from.",
        )
    if traits.flash_path not in (*Method.values, ""):
        return NotSupported(
            f"A {traits.name} is flashed with {traits.flash_path}, which the portal does not know.",
            "Use that tool by hand, write its medium in a card reader, or write it over the network once Linux runs.",
        )
    return None
