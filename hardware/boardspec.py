"""A board as data: the TOML file that says where its buses, lines and consoles are.

What the baseboard fixes (line and switch port of each slot) is the default, so that a file has to name only what
differs from one installation to the next.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hardware.budget import SUPPLIES
from hardware.errors import BoardFileError

SLOTS = range(1, 8)
SWITCH_RESET_LINE = 0  # the expander's bit 0 resets the switch chip (vendor)
SLUG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
SWITCH_MODES = ("auto", "msb", "lsb")

_I2C_BUS = re.compile(r"/dev/i2c-\d+|sim:/.+")
_USB = re.compile(r"(sim:/[^#]+#)?\d+-\d+(\.\d+)*")
_PROBE = re.compile(r"[^\s:]+:\d{1,5}|\[[0-9A-Fa-f:.%a-z]+\]:\d{1,5}")


@dataclass(frozen=True)
class SlotWiring:
    """What a slot is wired to. `line` is the expander's, `port` the switch's; `uart` is a device path.

    `usb` is the kernel's path of the socket in which the SOM's download mode, or a card reader for it, is plugged in
    ("1-1.2"; slots may share one socket). `probe` is "host:port" of something on the SOM that accepts connections while
    it runs. `storage` is a file that stands for the SOM's storage.
    """

    slot: int
    line: int
    port: int
    uart: str | None = None
    usb: str | None = None
    probe: str | None = None
    storage: str | None = None


@dataclass(frozen=True)
class SwitchWiring:
    """How the switch chip's registers are reached; `mode` is the byte order on the wire, "auto" to find out."""

    bus: str
    address: int
    mode: str


@dataclass(frozen=True)
class BoardSpec:
    """A validated board file. `supply` is a name of `budget.SUPPLIES`, or "custom" with the watts that the file names.

    `controller_restart` is the command that restarts the machine in the controller slot; empty if none is given.
    `rpiboot_gadget` is the directory of rpiboot's mass-storage gadget, None for where its packages put it.
    `verified` says that the file was tried on the board it describes.
    """

    slug: str
    name: str
    supply: str
    supply_watts: float
    simulated: bool
    controller_slot: int
    bus: str
    expander: str
    switch: SwitchWiring | None
    slots: Mapping[int, SlotWiring]
    uplink_port: int
    controller_restart: tuple[str, ...]
    rpiboot_gadget: str | None
    verified: bool


def load_board(path: Path) -> BoardSpec:
    """Reads a board file. Raises BoardFileError with one sentence naming the file and the key."""
    if not SLUG.fullmatch(path.stem):
        raise BoardFileError(str(path), "", "its name must have lower-case letters, digits, - and _ only")
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise BoardFileError(str(path), "", f"it cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BoardFileError(str(path), "", f"it is not TOML ({error})") from error
    return _board(path, _Table(str(path), "", content))


class _Table:
    """One TOML table; each key is taken once, by kind, and what is left over in the end is a mistake."""

    def __init__(self, file: str, name: str, content: dict[str, Any]) -> None:
        self._file = file
        self._name = name
        self._content = dict(content)

    def wrong(self, key: str, problem: str) -> BoardFileError:
        return BoardFileError(self._file, f"{self._name}.{key}" if self._name else key, problem)

    def raw(self, key: str, default: Any = None) -> Any:
        return self._content.pop(key, default)

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        """The value of `key`, or the default. Raises BoardFileError if it is of another kind."""
        value = self.raw(key, default)
        # To Python a bool is an int; to a person who wrote `line = true` it is a mistake.
        if value is not default and (not isinstance(value, kind) or isinstance(value, bool) is not (kind is bool)):
            raise self.wrong(key, f"must be {_KINDS[kind]}, not {value!r}")
        return value

    def text(self, key: str, default: str | None = None) -> str | None:
        value: str | None = self.take(key, str, default)
        if value is not None and value is not default and not value.strip():
            raise self.wrong(key, "must not be empty")
        return value

    def required_text(self, key: str) -> str:
        value = self.text(key)
        if value is None:
            raise self.wrong(key, "is missing")
        return value

    def number(self, key: str, default: int, allowed: range) -> int:
        value: int = self.take(key, int, default)
        if value not in allowed:
            raise self.wrong(key, f"must be {allowed[0]} to {allowed[-1]}, not {value}")
        return value

    def table(self, key: str) -> "_Table | None":
        content = self.take(key, dict)
        return None if content is None else self._inner(key, content)

    def table_or_empty(self, key: str) -> "_Table":
        return self.table(key) or self._inner(key, {})

    def _inner(self, key: str, content: dict[str, Any]) -> "_Table":
        return _Table(self._file, f"{self._name}.{key}" if self._name else key, content)

    def rest(self) -> list[str]:
        return list(self._content)

    def finish(self) -> None:
        for key in self._content:
            raise self.wrong(key, "is not known")


_KINDS = {str: "a text", int: "a whole number", bool: "true or false", dict: "a table", list: "a list"}


def _board(path: Path, table: _Table) -> BoardSpec:
    supply, supply_watts = _supply(table)
    name = table.text("name", path.stem) or path.stem
    simulated = table.take("simulated", bool, False)
    controller_slot = table.number("controller_slot", 1, SLOTS)
    uplink_port = table.number("uplink_port", 8, range(1, 9))  # vendor: port 8 is the RJ45 socket
    verified = table.take("verified", bool, False)
    bus, expander = _expander(table)
    spec = BoardSpec(
        slug=path.stem,
        name=name,
        supply=supply,
        supply_watts=supply_watts,
        simulated=simulated,
        controller_slot=controller_slot,
        bus=bus,
        expander=expander,
        switch=_switch(table),
        slots=_slots(table, uplink_port),
        uplink_port=uplink_port,
        controller_restart=_controller_restart(table),
        rpiboot_gadget=_rpiboot_gadget(table),
        verified=verified,
    )
    table.finish()
    return spec


def _supply(table: _Table) -> tuple[str, float]:
    """`supply = "poe"` or `supply = {watts = 45}`."""
    value = table.raw("supply", "usb-c-60")
    if isinstance(value, str) and value in SUPPLIES:
        return value, SUPPLIES[value].peak_watts
    if isinstance(value, dict) and set(value) == {"watts"}:
        watts = value["watts"]
        if isinstance(watts, int | float) and not isinstance(watts, bool) and math.isfinite(watts) and watts > 0:
            return "custom", float(watts)
    names = ", ".join(f'"{name}"' for name in SUPPLIES)
    raise table.wrong("supply", f"must be {names} or {{watts = NUMBER}}, not {value!r}")


def _expander(table: _Table) -> tuple[str, str]:
    section = table.table("i2c")
    if section is None:
        raise table.wrong("i2c", "is missing")
    bus, expander = _bus(section), section.required_text("expander")
    if not (expander.startswith("gpiochip:") and expander != "gpiochip:") and _device_address(expander) is None:
        raise section.wrong("expander", f'must be "0x18" or "gpiochip:LABEL", not {expander!r}')
    section.finish()
    return bus, expander


def _switch(table: _Table) -> SwitchWiring | None:
    section = table.table("switch")
    if section is None:
        return None
    bus, text = _bus(section), section.text("address", "0x5C") or ""
    address = _device_address(text)
    if address is None:
        raise section.wrong("address", f'must be a 7-bit I2C address such as "0x5C", not {text!r}')
    mode = section.text("mode", "auto") or ""
    if mode not in SWITCH_MODES:
        raise section.wrong("mode", f"must be one of {', '.join(SWITCH_MODES)}, not {mode!r}")
    section.finish()
    return SwitchWiring(bus, address, mode)


def _bus(section: _Table) -> str:
    bus = section.required_text("bus")
    if not _I2C_BUS.fullmatch(bus):
        raise section.wrong("bus", f'must be "/dev/i2c-N" or "sim:/path/to/socket", not {bus!r}')
    return bus


def _device_address(text: str) -> int | None:
    """A 7-bit address in hex; None if it is none, or one that the I2C specification reserves."""
    if not re.fullmatch(r"0x[0-9A-Fa-f]{1,2}", text):
        return None
    address = int(text, 16)
    return address if 0x08 <= address <= 0x77 else None


def _slots(table: _Table, uplink_port: int) -> Mapping[int, SlotWiring]:
    section = table.table_or_empty("slots")
    for key in section.rest():
        if key not in {str(slot) for slot in SLOTS}:
            raise section.wrong(key, "is not a slot: a board has slots 1 to 7")
    wirings = {slot: _slot(section.table_or_empty(str(slot)), slot) for slot in SLOTS}
    lines: dict[int, int] = {}
    ports: dict[int, int] = {uplink_port: 0}
    for slot, wiring in wirings.items():
        if wiring.line in lines:
            raise section.wrong(f"{slot}.line", f"is line {wiring.line}, which slot {lines[wiring.line]} has already")
        if wiring.port in ports:
            holder = f"slot {ports[wiring.port]}" if ports[wiring.port] else "the uplink"
            raise section.wrong(f"{slot}.port", f"is port {wiring.port}, which {holder} has already")
        lines[wiring.line], ports[wiring.port] = slot, slot
    return MappingProxyType(wirings)


def _slot(section: _Table, slot: int) -> SlotWiring:
    probe = section.text("probe")
    if probe is not None and not _PROBE.fullmatch(probe):
        raise section.wrong("probe", f'must be "host:port", not {probe!r}')
    wiring = SlotWiring(
        slot=slot,
        line=section.number("line", slot, range(1, 8)),  # vendor: bits 1 to 7 reset slots 1 to 7
        port=section.number("port", 8 - slot, range(1, 9)),  # vendor: port 1 is slot 7, port 7 is slot 1
        uart=_device_path(section, "uart"),
        usb=_usb_path(section),
        probe=probe,
        storage=_device_path(section, "storage"),
    )
    section.finish()
    return wiring


def _device_path(section: _Table, key: str) -> str | None:
    path = section.text(key)
    if path is not None and not path.startswith("/"):
        raise section.wrong(key, f'must be an absolute path such as "/dev/serial/by-path/...", not {path!r}')
    return path


def _usb_path(section: _Table) -> str | None:
    path = section.text("usb")
    if path is not None and not _USB.fullmatch(path):
        raise section.wrong("usb", f'must be a USB path as in /sys/bus/usb/devices, such as "1-1.2", not {path!r}')
    return path


def _rpiboot_gadget(table: _Table) -> str | None:
    """`[rpiboot] gadget = "/usr/share/rpiboot/mass-storage-gadget64"`."""
    section = table.table("rpiboot")
    if section is None:
        return None
    gadget = _device_path(section, "gadget")
    section.finish()
    return gadget


def _controller_restart(table: _Table) -> tuple[str, ...]:
    """`[controller] restart = ["systemctl", "reboot"]`."""
    section = table.table("controller")
    if section is None:
        return ()
    command = section.take("restart", list, [])
    if not all(isinstance(word, str) and word for word in command):
        raise section.wrong("restart", "must be a list of texts: a program and its arguments")
    section.finish()
    return tuple(command)
