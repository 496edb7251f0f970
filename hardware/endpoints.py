"""From an address in a board file to the part it names: the one place that knows a real and a simulated world.

"/dev/i2c-1" is a bus of this machine, "sim:/path/to/socket" that of a simulated board; "0x18" an expander on that bus,
"gpiochip:LABEL" one that the kernel owns; "1-1.2" a USB socket, "sim:/path/to/board#1-1.2" one of a simulated board.
"""

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from hardware.buslock import BusLock
from hardware.clock import time_scale
from hardware.contracts import Expander, ForeignChange, I2cBus, SwitchChip
from hardware.errors import BusUnavailable, TargetRefused
from hardware.flash.rpiboot import TIMEOUT_SECONDS, Rpiboot
from hardware.flash.usbport import UsbPort
from hardware.ledger import LineLedger

SIMULATED = "sim:"
KERNEL_OWNED = "gpiochip:"
STAND_IN_SECONDS = 15.0  # of this machine, for the program that stands in for rpiboot: it starts in half a second


def open_bus(address: str) -> I2cBus:
    """Opens a bus. Raises BusUnavailable."""
    # Imported here so that a process which never touches a bus does not pay for it.
    from hardware.i2c import LinuxI2cBus

    if not address.startswith(SIMULATED):
        return LinuxI2cBus.open(address)
    from hardware.simulator.client import SimulatedSMBus

    try:
        return LinuxI2cBus(SimulatedSMBus(address))
    except OSError as error:
        raise BusUnavailable(address, f"no simulated board answers ({os.strerror(error.errno or 0)})") from error


def bus_lock(data: Path, address: str) -> BusLock:
    """The lock of a bus, one file for each in DATA/locks, whichever board's file names it."""
    if address.startswith(SIMULATED):
        name = f"sim-{hashlib.sha256(address.encode()).hexdigest()[:16]}"
    else:
        name = Path(address).name
    return BusLock(data / "locks" / f"{name}.lock")


def open_expander(
    data: Path,
    board: str,
    bus: str,
    expander: str,
    on_foreign: Callable[[ForeignChange], None] = lambda change: None,
) -> Expander:
    """Opens a board's expander. Raises BusUnavailable, DeviceNotFound."""
    if expander.startswith(KERNEL_OWNED):
        from hardware.gpiochip import GpioChipExpander

        return GpioChipExpander.open(expander.removeprefix(KERNEL_OWNED))
    from hardware.expander import Pca9557

    ledger = LineLedger(data / "lines" / f"{board}.json")
    return Pca9557(open_bus(bus), int(expander, 16), bus_lock(data, bus), ledger, on_foreign)


def open_switch(data: Path, bus: str, address: int, mode: str) -> SwitchChip:
    """Opens a board's switch chip, mode "auto", "msb" or "lsb". Raises BusUnavailable; the chip is not asked yet."""
    from hardware.jl6108.chip import Jl6108
    from hardware.jl6108.transport import I2cBridge, WireMode

    modes = None if mode == "auto" else WireMode(mode)
    return Jl6108(I2cBridge(open_bus(bus), address, bus_lock(data, bus), modes))


def open_usb_port(address: str, rpiboot_gadget: str | None = None) -> UsbPort:
    """The USB socket of that address. Opens nothing; `rpiboot_gadget` is a board file's, for sockets of this machine.

    A simulated board's directory is laid out like DATA/sim/BOARD, and holds what its kernel would tell in `sys`.
    """
    if not address.startswith(SIMULATED):
        return UsbPort(address, rpiboot=Rpiboot(gadget=Path(rpiboot_gadget) if rpiboot_gadget else None))
    from hardware.simulator.disk import open_disk

    name, _, path = address.removeprefix(SIMULATED).partition("#")
    board = Path(name)
    place = ("--data", str(board.parents[1]), "--board", board.name)
    program = (sys.executable, "-m", "hardware.simulator", "rpiboot", *place)
    # However fast the simulated board's time runs, a process of this machine takes its while to start.
    timeout = max(TIMEOUT_SECONDS, STAND_IN_SECONDS * time_scale())
    rpiboot = Rpiboot(program, gadget=board / "gadget", checks_gadget=False, timeout_seconds=timeout)
    return UsbPort(path, sys=board / "sys", rpiboot=rpiboot, opener=open_disk)


def use_simulated_hands(address: str, slot: int, is_holding: bool, presses_reset: bool = False) -> None:
    """Lets the simulated board whose USB socket this is plug the cable in and hold that slot's BOOT, or let go of it.

    `presses_reset`: then they press RESET, which is slot 1's. Blocks for milliseconds.

    Raises TargetRefused if that board does not answer, or has no such button.
    """
    from hardware.simulator import control

    board = Path(address.removeprefix(SIMULATED).partition("#")[0])
    try:
        if is_holding:
            control.ask(board, "usb", str(slot), "plug")
        control.ask(board, "boot-button", str(slot), "hold" if is_holding else "release")
        if presses_reset:
            control.ask(board, "reset-button")
    except control.CtlError as refusal:
        raise TargetRefused(str(refusal)) from refusal
