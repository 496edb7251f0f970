"""A stand-in for the `rpiboot` program: it makes the boot ROM of a simulated SOM a USB disk.

Like the real one it takes `-d DIRECTORY -p PATH -v`, waits for a boot ROM at that USB path without end, says what it
does a line at a time, and ends with 0 when the boot files are sent: the disks appear a moment later. The directory is
not looked at, since no boot file means anything to a SOM that is simulated.
"""

import argparse
from pathlib import Path

from hardware.clock import SystemClock
from hardware.simulator import control

_VENDOR, _PRODUCTS = "0a5c", {"2711": "bootcode4.bin", "2712": "bootcode5.bin"}
_LOOK_SECONDS = 0.02  # of the wall: soon enough whatever the time scale
_SEND_SECONDS = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare those of rpiboot's own arguments that the portal uses."""
    parser.add_argument("-d", dest="directory", metavar="DIR", help="where the boot files are; not looked at")
    parser.add_argument("-p", dest="path", metavar="PATH", required=True, help='the USB path, "1-1.3"')
    parser.add_argument("-v", dest="is_verbose", action="store_true", help="say more; it always does")


def run(directory: Path, path: str, time_scale: float) -> int:
    """Wait for the boot ROM and serve it. Blocks without end while there is none. Raises control.CtlError."""
    clock = SystemClock(time_scale)
    _say("rpiboot (simulated)")
    while True:
        _say("Waiting for BCM2711/2712...")
        second_stage = _await_rom(directory / "sys/bus/usb/devices" / path)
        _say("Device located successfully")
        _say(f"Sending {second_stage}")
        clock.wait(_SEND_SECONDS)
        try:
            control.ask(directory, "boot-files", path)
        except control.CtlError as refusal:
            _say(f"The device went away: {refusal}")
            continue
        _say("Second stage boot server")
        clock.wait(_SEND_SECONDS)
        _say("File read: boot.img")
        _say("Second stage boot server done")
        return 0


def _await_rom(device: Path) -> str:
    while True:
        try:
            ids = tuple((device / name).read_text().strip() for name in ("idVendor", "idProduct"))
        except OSError:
            ids = ("", "")
        if ids[0] == _VENDOR and ids[1] in _PRODUCTS:
            return _PRODUCTS[ids[1]]
        SystemClock(1.0).wait(_LOOK_SECONDS)


def _say(line: str) -> None:
    print(line, flush=True)
