"""Mirroring in the JL6108: a copy of what enters or leaves a port goes to another port. Section 9."""

from dataclasses import dataclass
from typing import ClassVar

from hardware.jl6108.access import Access
from hardware.jl6108.layout import Entry, Register
from hardware.jl6108.numbering import ALL_PORTS, core_port, ports_in
from hardware.jl6108.tables import OUTPUT_MIRROR, SOURCE_PORT


@dataclass(frozen=True)
class Mirrors:
    """Where copies of a port's frames go: those that enter it, and those that leave. None: nowhere."""

    ingress: int | None = None
    egress: int | None = None


@dataclass(frozen=True)
class OutputMirror(Entry):
    """Where what leaves a port is copied to, every bit of it; what enters it is in `SourcePort`."""

    register: ClassVar[Register] = OUTPUT_MIRROR


class PortMirror(Access):
    """Several ports may be mirrored to one. Ports are 1 to 8 and the CPU's.

    Raises BusError, ChipRefused; ValueError for a port that is not there; what verifies raises RegistersDiffer.
    """

    def read_mirrors(self) -> dict[int, Mirrors]:
        """Where the frames of each port are copied to: 204 transfers."""
        first, count = core_port(ALL_PORTS[0]), len(ALL_PORTS)
        ingress = [_target(SOURCE_PORT, entry) for entry in self._get_run(SOURCE_PORT, first, count)]
        egress = [_target(OUTPUT_MIRROR, entry) for entry in self._get_run(OUTPUT_MIRROR, first, count)]
        return dict(zip(ALL_PORTS, map(Mirrors, ingress, egress), strict=True))

    def read_output_mirrors(self) -> dict[int, OutputMirror]:
        """The egress half of it, bit by bit: one burst, 42 transfers."""
        found = self._get_run(OUTPUT_MIRROR, core_port(ALL_PORTS[0]), len(ALL_PORTS))
        return dict(zip(ALL_PORTS, map(OutputMirror, found), strict=True))

    def write_output_mirror(self, port: int, entry: OutputMirror, *, verify: bool = True) -> None:
        """Writes one entry, every bit of it: 8 transfers, and 10 to verify."""
        self._put(OUTPUT_MIRROR, core_port(port), entry.value, verify=verify)

    def mirror_ingress(self, port: int, to: int | None, *, verify: bool = True) -> None:
        """Copies what enters `port` to the port `to`, or with None to none."""
        self._mirror(SOURCE_PORT, port, to, verify)

    def mirror_egress(self, port: int, to: int | None, *, verify: bool = True) -> None:
        """Copies what leaves `port` to the port `to`, or with None to none."""
        self._mirror(OUTPUT_MIRROR, port, to, verify)

    def _mirror(self, register: Register, port: int, to: int | None, verify: bool) -> None:
        if port == to:
            raise ValueError(f"Port {port} cannot be mirrored to itself.")
        target = core_port(to) if to is not None else 0
        _, after = self._modify(register, core_port(port), mirrored=int(to is not None), mirror_to=target)
        if verify:
            self._verify(register, after, core_port(port))


def _target(register: Register, entry: int) -> int | None:
    if not register.get(entry, "mirrored"):
        return None
    # A port that this chip has not, set by somebody else, is no port of ours.
    return next(iter(ports_in(1 << register.get(entry, "mirror_to"))), None)
