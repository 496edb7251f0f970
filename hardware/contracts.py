"""The contracts between the parts of a board: one capability each, with units and errors. Parts live elsewhere."""

import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hardware.jl6108.addresses import Address
    from hardware.jl6108.counters import Counters, Drops, Traffic
    from hardware.jl6108.link_settings import LinkSettings
    from hardware.jl6108.mirror import Mirrors, OutputMirror
    from hardware.jl6108.ports import Ability, Pause, PortSettings
    from hardware.jl6108.vlans import PortTables, Progress, VlanEntry
    from hardware.switch_errors import RegisterDifference


class Level(IntEnum):
    """The electrical level of a line. A reset line is asserted LOW and released HIGH."""

    LOW = 0
    HIGH = 1


@dataclass(frozen=True)
class ExpanderRegisters:
    """The four registers of the expander, each a byte whose bit n belongs to line n.

    `inputs` is the register as read, that is the pins XOR `polarity`; in `configuration` 1 means input, 0 output.
    """

    inputs: int
    outputs: int
    polarity: int
    configuration: int

    def pin(self, line: int) -> Level:
        """The level on the pin itself, polarity inversion undone."""
        return Level((self.inputs ^ self.polarity) >> line & 1)

    def is_output(self, line: int) -> bool:
        return not self.configuration >> line & 1


@dataclass(frozen=True)
class ForeignChange:
    """Somebody else wrote to the expander since our last look: `register` held `expected` and now holds `found`."""

    register: str
    expected: int
    found: int

    @property
    def lines(self) -> tuple[int, ...]:
        return tuple(line for line in range(8) if (self.expected ^ self.found) >> line & 1)

    def __str__(self) -> str:
        lines = ", ".join(str(line) for line in self.lines)
        return (
            f"Another program changed the expander's {self.register} register from 0x{self.expected:02X} "
            f"to 0x{self.found:02X} (line {lines})."
        )


@dataclass(frozen=True)
class DriveReport:
    """What was seen when a line had been driven. `registers` is None where the kernel owns the chip."""

    line: int
    level: Level
    registers: ExpanderRegisters | None
    foreign: tuple[ForeignChange, ...] = ()


@dataclass(frozen=True)
class Link:
    """One switch port. `mbps` is 10, 100 or 1000, and like `full_duplex` meaningless while the link is down."""

    up: bool
    mbps: int
    full_duplex: bool


class I2cBus(Protocol):
    """A bus to devices with 7-bit addresses. Each method is one transfer from START to STOP and blocks for it.

    All raise BusError naming address and register. The register-byte methods may be repeated by the bus after a NACK,
    since repeating them changes nothing; the raw ones never are, since a device may count what it is sent.
    """

    def read_byte(self, address: int, register: int) -> int: ...

    def write_byte(self, address: int, register: int, value: int) -> None: ...

    def write(self, address: int, data: bytes) -> None: ...

    def read(self, address: int, count: int) -> bytes: ...

    def close(self) -> None: ...


class Expander(Protocol):
    """Eight lines of which bit 0 resets the switch chip and bits 1 to 7 the SOMs. Safe to use from many processes."""

    def drive(self, line: int, level: Level) -> DriveReport:
        """Drives one line, moving no other, and returns what was seen after it. Blocks for milliseconds.

        Raises BusError, VerifyMismatch, LineStuck, LineUnavailable, RecordUnwritable; the line may have moved even so.
        """
        ...

    def read(self, line: int) -> Level:
        """The level on the pin. Raises BusError, LineUnavailable."""
        ...

    def is_driven(self, line: int) -> bool:
        """Whether the line is an output; one that nobody drives floats high. Raises BusError, LineUnavailable."""
        ...

    def let_go(self, line: int) -> None:
        """Gives up a line that needs no holding any more; its level stays. Nothing to do where only registers count."""
        ...

    def registers(self) -> ExpanderRegisters | None:
        """All registers at one instant; None where the kernel owns the chip. Raises BusError."""
        ...

    def power_lost(self) -> bool | None:
        """Whether the chip forgot lines that we had made outputs; None where that cannot be told. Raises BusError."""
        ...

    def forget(self) -> None:
        """Forgets what we had made outputs, once a loss of power has been dealt with. Raises RecordUnwritable."""
        ...

    def close(self) -> None: ...


class SwitchChip(Protocol):
    """The Ethernet switch of the board. Ports are 1 to 8 as on the front; 9, `vlan.CPU_PORT`, is the chip's own.

    Every method blocks for the bus, about 1 ms for each word at 400 kHz, and raises BusError, ChipRefused (who answers
    is not the chip we know, or not up) and ValueError (no such port, VID or value). What takes `verify` reads back what
    it wrote and raises RegistersDiffer. What takes `stop` raises Stopped once it is set, and calls `on_progress` with
    the work done and the work there is. Series give way to others on the bus after each step. More is in
    `jl6108.chip.Jl6108`: this is what the apps use.
    """

    def is_present(self) -> bool:
        """Whether anything answers at the address; writes nothing."""
        ...

    def identify(self) -> str:
        """The chip's name, asked anew; reads only."""
        ...

    def bring_into_step(self) -> None:
        """To be called before the first write after a writer died: what it had begun may still be in the bridge, the
        firmware may still wait for it, and addresses may age as fast as it had made them."""
        ...

    def read_links(self) -> tuple[Link, ...]:
        """The links of ports 1 to 8, in that order."""
        ...

    def read_port_settings(self, port: int) -> "PortSettings": ...

    def set_port_enabled(self, port: int, enabled: bool, *, verify: bool = True) -> None: ...

    def negotiate(self, port: int, offers: "Collection[Ability]", *, verify: bool = True) -> None: ...

    def force_speed(self, port: int, mbps: int, full_duplex: bool, pause: "Pause", *, verify: bool = True) -> None: ...

    def set_flow_control(self, port: int, pause: "Pause | None", *, verify: bool = True) -> None: ...

    def read_switched_off(self, ports: Collection[int]) -> frozenset[int]:
        """Those of these ports that are switched off, whose links therefore say nothing of who is behind them."""
        ...

    def read_link_settings(self) -> "dict[int, LinkSettings]": ...

    def write_link_settings(
        self, port: int, wanted: "LinkSettings", running: "LinkSettings | None" = None, *, verify: bool = True
    ) -> None: ...

    def differing_link_settings(self, wanted: "Mapping[int, LinkSettings]") -> "tuple[RegisterDifference, ...]": ...

    def read_all_counters(self) -> "tuple[Counters, ...]": ...

    def read_all_traffic(self) -> "tuple[Traffic, ...]": ...

    def read_drops(self) -> "Drops": ...

    def clear_counters(self, port: int) -> None: ...

    def read_vlans(self, vids: Iterable[int]) -> "dict[int, VlanEntry]": ...

    def scan_vlans(
        self, on_progress: "Progress" = ..., stop: threading.Event | None = None
    ) -> "dict[int, VlanEntry]": ...

    def write_vlan(self, vid: int, entry: "VlanEntry", *, verify: bool = True) -> None: ...

    def write_vlans(
        self,
        entries: "Mapping[int, VlanEntry]",
        on_progress: "Progress" = ...,
        stop: threading.Event | None = None,
        *,
        verify: bool = True,
    ) -> None: ...

    def read_port_tables(self, port: int) -> "PortTables": ...

    def read_all_port_tables(self) -> "dict[int, PortTables]": ...

    def write_port_tables(
        self, port: int, wanted: "PortTables", running: "PortTables | None" = None, *, verify: bool = True
    ) -> None: ...

    def read_isolation(self) -> dict[int, frozenset[int]]: ...

    def set_isolation(self, blocked: Mapping[int, Collection[int]], *, verify: bool = True) -> None: ...

    def read_mirrors(self) -> "dict[int, Mirrors]": ...

    def read_output_mirrors(self) -> "dict[int, OutputMirror]": ...

    def write_output_mirror(self, port: int, entry: "OutputMirror", *, verify: bool = True) -> None: ...

    def mirror_ingress(self, port: int, to: int | None, *, verify: bool = True) -> None: ...

    def mirror_egress(self, port: int, to: int | None, *, verify: bool = True) -> None: ...

    def read_addresses(
        self, port: int | None = None, on_progress: "Progress" = ..., stop: threading.Event | None = None
    ) -> "tuple[Address, ...]": ...

    def reread_addresses(self, places: Iterable[int]) -> "tuple[Address, ...]": ...

    def read_ageing_seconds(self) -> float: ...

    def flush_ports(
        self,
        ports: Collection[int],
        *,
        fixed: bool = False,
        on_progress: "Progress" = ...,
        stop: threading.Event | None = None,
    ) -> int: ...

    def flush_learned(self) -> None: ...

    def read_heartbeat(self) -> int: ...

    def starve_watchdog(self) -> None: ...

    def close(self) -> None: ...


class BlockTarget(Protocol):
    """The storage of a SOM, opened for us alone, as something to write an image to. For one thread at a time.

    Offsets and lengths are in bytes and need no alignment, but are fastest at multiples of 4096 with the memory
    page-aligned. All of it blocks for the device.

    Attributes:
        name: what a person calls it, as it stands inside a sentence.
        size_bytes: its capacity.
        is_direct: what `write` has taken is on the device already; else only after `sync`.
        clears: `clear` is likely to work, and takes no time worth counting.
        reads_back_by: how `read` gets past the cache, for the log.
    """

    name: str
    size_bytes: int
    is_direct: bool
    clears: bool
    reads_back_by: str

    def write(self, offset: int, data: memoryview) -> None:
        """Writes all of `data`. Raises WriteError naming the offset; any part may have been written even so."""
        ...

    def clear(self, offset: int, length: int) -> bool:
        """Makes the bytes read as zeros without sending them; False if it cannot, and then nothing changed.

        Raises WriteError.
        """
        ...

    def sync(self) -> None:
        """Returns once all that was written is on the device. Raises WriteError."""
        ...

    def read(self, offset: int, buffer: memoryview) -> None:
        """Fills `buffer` from the device itself, not from a cache of this machine. Raises ReadError."""
        ...

    def close(self) -> None: ...


class Clock(Protocol):
    """Time that only moves forward, in seconds, and the only way to wait."""

    def monotonic(self) -> float: ...

    def wait(self, seconds: float, stop: threading.Event | None = None) -> bool:
        """Waits, at most until `stop` is set. Returns True if it was."""
        ...
