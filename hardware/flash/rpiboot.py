"""rpiboot, Raspberry Pi's program that feeds a boot ROM: here always with the gadget that makes disks of its storage.

Source of names and arguments: rpiboot's own help and documentation (github.com/raspberrypi/usbboot), version of 2025.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hardware.contracts import Clock
from hardware.flash import programs
from hardware.program_errors import ProgramMissing

PACKAGE = "the package rpiboot (Raspberry Pi OS, Ubuntu) or github.com/raspberrypi/usbboot"
#: Where the package and an installation from source put the gadget for BCM2711 and BCM2712.
GADGETS = (
    Path("/usr/share/rpiboot/mass-storage-gadget64"),
    Path("/usr/local/share/rpiboot/mass-storage-gadget64"),
)
#: What a gadget's directory holds at least one of: rpiboot ends with its whole help text where there is none.
BOOT_FILES = ("bootfiles.bin", "bootcode4.bin", "bootcode5.bin")
# Feeding it takes some 10 s; rpiboot itself waits for a boot ROM without end. UNVERIFIED, ours.
TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True)
class Rpiboot:
    """How it is called here. `gadget` is the directory of the mass-storage gadget, None for the first of `GADGETS`.

    A program that stands in for rpiboot may need no gadget, and then nobody `checks_gadget`. It has `timeout_seconds`.
    """

    program: tuple[str, ...] = ("rpiboot",)
    gadget: Path | None = None
    checks_gadget: bool = True
    timeout_seconds: float = TIMEOUT_SECONDS

    def start_storage(
        self,
        path: str,
        clock: Clock,
        *,
        stop: threading.Event | None = None,
        on_line: programs.OnLine = lambda line: None,
    ) -> None:
        """Feeds the boot ROM at this USB path, and no other, the gadget; its disks appear seconds later. Blocks.

        rpiboot also ends well if the SOM goes away while it is fed, so only the disks themselves are proof.

        Raises ProgramMissing, ProgramFailed, ProgramTimeout, Stopped.
        """
        programs.installed(self.program[0], PACKAGE)
        words = (*self.program, "-d", str(self.find_gadget()), "-p", path)
        programs.run(
            words,
            PACKAGE,
            clock,
            timeout_seconds=self.timeout_seconds,
            stop=stop,
            on_line=on_line,
            explain=_explained,
            name="rpiboot",
        )

    def find_gadget(self) -> Path:
        """The gadget's directory. Raises ProgramMissing naming where it was looked for."""
        if self.gadget and not self.checks_gadget:
            return self.gadget
        wanted = [self.gadget] if self.gadget else list(GADGETS)
        for directory in wanted:
            if any((directory / name).is_file() for name in BOOT_FILES):
                return directory
        places = " or ".join(map(str, wanted))
        raise ProgramMissing(f"rpiboot, with its mass-storage gadget in {places},", PACKAGE)


def _explained(lines: Sequence[str]) -> str:
    """What a failure of rpiboot means, where we know; empty otherwise."""
    text = "\n".join(lines)
    if "Permission to access USB device denied" in text:
        return "this user may not open the SOM's USB device: the udev rule for boot ROMs is missing (deploy/README.md)"
    if "Usage: rpiboot" in text:
        before = text.partition("Usage: rpiboot")[0].strip().splitlines()
        said = f'"{before[-1]}"' if before else "it does not know an argument"
        return f"it refused its arguments ({said}); a version of 2023 or later is needed, for -p"
    return ""
