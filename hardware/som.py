"""What a SOM type is, as data: its reset line, its times, its power, its console and how it is flashed.

The four types that the vendor sells are in `TRAITS`; any other is a row that `SomTraits.from_mapping` validates. No
code asks for a type by name.

Sources of the figures: "vendor" is the NanoCluster wiki and README of Sipeed (power table, reset table, flashing
guides); "owner" an owner's published measurement or report; UNVERIFIED marks our own working assumption.
"""

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from hardware.errors import TraitsError


class PowerState(StrEnum):
    """What we believe of a SOM (Redfish's words, and Unknown, because the board senses no SOM power)."""

    ON = "On"
    OFF = "Off"
    POWERING_ON = "PoweringOn"
    POWERING_OFF = "PoweringOff"
    UNKNOWN = "Unknown"


class ResetType(StrEnum):
    """What can be asked of a SOM's power (Redfish `ResetType`)."""

    ON = "On"
    FORCE_OFF = "ForceOff"
    GRACEFUL_SHUTDOWN = "GracefulShutdown"
    GRACEFUL_RESTART = "GracefulRestart"
    FORCE_RESTART = "ForceRestart"
    POWER_CYCLE = "PowerCycle"
    PUSH_POWER_BUTTON = "PushPowerButton"


class LineKind(StrEnum):
    """What a SOM makes of its reset line."""

    LEVEL = "level"  # held low the SOM is off, released it runs: the level is the command
    BUTTON = "button"  # the line is a power button: only the length of a press means anything


@dataclass(frozen=True)
class SomTraits:
    """One SOM type. All times in seconds, power in watts, `link_mbps` in Mb/s, `baud` in bits per second (8N1).

    Attributes:
        pulse_seconds: level line: the low pulse that restarts the SOM; 0 for a button line.
        press_seconds: button line: a short press; 0 for a level line.
        force_off_seconds: button line: the press that cuts power; None for a level line.
        latches_after_hold: after that long press the button is dead until the whole board loses power.
        graceful: a short press asks the running operating system to shut down.
        flash_path: "rpiboot", "ums", "axdl", "network" or what a third party's tool is called.
        boot_rom: the USB ids under which its boot ROM asks to be fed, "0a5c:2711"; empty if nobody waits for it.
        boot_seconds, shutdown_seconds: from release to a login prompt, from press to power off.
        source: where the figures come from; `verified`: whether we measured them on silicon ourselves.
    """

    name: str
    line_kind: LineKind
    pulse_seconds: float
    press_seconds: float
    force_off_seconds: float | None
    latches_after_hold: bool
    graceful: bool
    idle_watts: float
    full_watts: float
    peak_watts: float
    baud: int
    flash_path: str
    boot_rom: str
    boot_seconds: float
    shutdown_seconds: float
    link_mbps: int
    source: str
    verified: bool

    @property
    def is_button(self) -> bool:
        return self.line_kind is LineKind.BUTTON

    @classmethod
    def from_mapping(cls, row: Mapping[str, Any]) -> Self:
        """Builds traits from a database row or a parsed file.

        Raises TraitsError naming the key that is missing, unknown, of the wrong kind or contradicts another.
        """
        name = str(row.get("name", "without a name"))
        fields = {field.name: field for field in dataclasses.fields(cls)}
        for key in row:
            if key not in fields:
                raise TraitsError(name, key, "is not known")
        values: dict[str, Any] = {}
        for key in fields:
            if key not in row:
                raise TraitsError(name, key, "is missing")
            values[key] = _checked(name, key, row[key])
        traits = cls(**values)
        _check_line(traits)
        _check_power(traits)
        return traits

    def to_mapping(self) -> dict[str, Any]:
        """The row that `from_mapping` reads; JSON-serialisable."""
        return {**dataclasses.asdict(self), "line_kind": self.line_kind.value}


_TEXTS = ("name", "flash_path", "source")
_USB_IDS = re.compile(r"([0-9a-f]{4}:[0-9a-f]{4})?")
_FLAGS = ("latches_after_hold", "graceful", "verified")
_INTEGERS = ("baud", "link_mbps")


def _checked(name: str, key: str, value: Any) -> Any:
    """One value, by the kind its key demands. Raises TraitsError."""
    if key == "line_kind":
        if value not in tuple(LineKind):
            raise TraitsError(name, key, f'must be "level" or "button", not {value!r}')
        return LineKind(value)
    if key in _TEXTS:
        if not isinstance(value, str) or not value.strip():
            raise TraitsError(name, key, f"must be a text that is not empty, not {value!r}")
        return value
    if key == "boot_rom":
        if not isinstance(value, str) or not _USB_IDS.fullmatch(value):
            raise TraitsError(name, key, f'must be USB ids such as "0a5c:2711", or empty, not {value!r}')
        return value
    if key in _FLAGS:
        if not isinstance(value, bool):
            raise TraitsError(name, key, f"must be true or false, not {value!r}")
        return value
    if key == "force_off_seconds" and value is None:
        return None
    # bool is an int to Python; a row that says `baud = true` is a mistake.
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        raise TraitsError(name, key, f"must be a number of at least 0, not {value!r}")
    if key in _INTEGERS:
        if value != int(value) or value <= 0:
            raise TraitsError(name, key, f"must be a whole number above 0, not {value!r}")
        return int(value)
    return float(value)


def _check_line(traits: SomTraits) -> None:
    """The times have to fit the kind of line. Raises TraitsError."""
    if traits.line_kind is LineKind.LEVEL:
        if traits.pulse_seconds <= 0:
            raise TraitsError(traits.name, "pulse_seconds", "must be above 0 for a level line")
        for key in ("force_off_seconds", "latches_after_hold", "graceful"):
            if getattr(traits, key):
                raise TraitsError(traits.name, key, "means nothing for a level line: leave it out")
        return
    if traits.press_seconds <= 0:
        raise TraitsError(traits.name, "press_seconds", "must be above 0 for a button line")
    if traits.force_off_seconds is not None and traits.force_off_seconds <= traits.press_seconds:
        raise TraitsError(traits.name, "force_off_seconds", "must be longer than press_seconds")
    if traits.latches_after_hold and traits.force_off_seconds is None:
        raise TraitsError(traits.name, "latches_after_hold", "needs force_off_seconds")


def _check_power(traits: SomTraits) -> None:
    if not traits.idle_watts <= traits.full_watts <= traits.peak_watts:
        raise TraitsError(traits.name, "peak_watts", "idle, full and peak power must not fall in that order")


LM3H = SomTraits(
    name="LM3H",
    line_kind=LineKind.BUTTON,
    pulse_seconds=0.0,
    press_seconds=1.0,  # vendor: 1 s powers on from off; what it does when running is not known
    force_off_seconds=8.0,  # vendor: 8 s powers off
    latches_after_hold=False,  # nobody reports it; UNVERIFIED
    graceful=False,  # what a short press does to a running LM3H is not known
    idle_watts=1.2,
    full_watts=2.6,
    peak_watts=3.7,
    baud=115_200,
    flash_path="ums",
    boot_rom="",  # U-Boot itself makes the disk
    boot_seconds=25.0,  # UNVERIFIED
    shutdown_seconds=8.0,  # UNVERIFIED
    link_mbps=100,
    source="vendor's power, reset and flashing tables; boot and shutdown times UNVERIFIED",
    verified=False,
)

M4N = SomTraits(
    name="M4N",
    line_kind=LineKind.LEVEL,  # UNVERIFIED: nobody has published it; assumed a hard reset like the CM4's
    pulse_seconds=1.0,  # UNVERIFIED
    press_seconds=0.0,
    force_off_seconds=None,
    latches_after_hold=False,
    graceful=False,
    idle_watts=3.0,
    full_watts=8.3,
    peak_watts=9.0,
    baud=115_200,  # UNVERIFIED, inferred
    flash_path="axdl",
    boot_rom="",
    boot_seconds=30.0,  # UNVERIFIED
    shutdown_seconds=8.0,  # UNVERIFIED
    link_mbps=1000,
    source="vendor's power and flashing tables; reset line, console speed, boot and shutdown times UNVERIFIED",
    verified=False,
)

CM4 = SomTraits(
    name="CM4",
    line_kind=LineKind.LEVEL,  # vendor: held low it is held in reset, released it boots
    pulse_seconds=1.0,  # vendor: 1 s restarts it
    press_seconds=0.0,
    force_off_seconds=None,
    latches_after_hold=False,
    graceful=False,
    idle_watts=3.0,
    full_watts=4.5,
    peak_watts=4.6,
    baud=115_200,
    flash_path="rpiboot",
    boot_rom="0a5c:2711",  # vendor's flashing guide; Raspberry Pi's rpiboot waits for it
    boot_seconds=20.0,  # UNVERIFIED
    shutdown_seconds=6.0,  # UNVERIFIED
    link_mbps=1000,
    source="vendor's power, reset and flashing tables; boot and shutdown times UNVERIFIED",
    verified=False,
)

CM5 = SomTraits(
    name="CM5",
    line_kind=LineKind.BUTTON,
    pulse_seconds=0.0,
    press_seconds=1.0,  # vendor: from off, on; from on it asks the operating system for a shutdown
    force_off_seconds=8.0,  # vendor: forces off
    latches_after_hold=True,  # vendor's known issue, confirmed by owners
    graceful=True,  # one press with Raspberry Pi OS Lite, two presses with its desktop
    idle_watts=4.0,
    full_watts=7.6,
    peak_watts=8.0,
    baud=115_200,
    flash_path="rpiboot",
    boot_rom="0a5c:2712",  # the same
    boot_seconds=15.0,  # UNVERIFIED
    shutdown_seconds=6.0,  # UNVERIFIED
    link_mbps=1000,
    source="vendor's power, reset and flashing tables, its known issues; boot and shutdown times UNVERIFIED",
    verified=False,
)

#: The vendor's SOM types by name.
TRAITS: dict[str, SomTraits] = {traits.name: traits for traits in (LM3H, M4N, CM4, CM5)}
