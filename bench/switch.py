"""The switch: what the portal's dealings with the JL6108 cost on its I2C bus, every read-back included.

Counted on the wire of the simulated board, whose chip was written without sight of the driver. A transaction is what
lies between a START and its STOP: a 16-bit register of the chip's bridge is one to write and two to read, because a
STOP separates its number from its value. Bytes are all of them, each transaction's address byte too. The time is what
these take on a bus that never pauses: nine clocks for each byte, and one for each START and STOP. A real adapter adds
its own gaps, and the driver one millisecond after each burst of a long series, so that others get at the bus.

`vendor` is the vendor's public driver: figures of our register reference where it names them, else counted from its
calls in tests/hardware/jl6108/vectors. It reads nothing back. Where something is written, `.writes` and `.reads` say
how much of the figure is what.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.figures import Figure
from hardware.buslock import BusLock
from hardware.clock import VirtualClock
from hardware.i2c import LinuxI2cBus
from hardware.jl6108 import tables
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.recipes import ChipVlans
from hardware.jl6108.transport import I2cBridge
from hardware.jl6108.vlans import CLOSED
from hardware.simulator import net
from hardware.simulator.board import SWITCH_ADDRESS
from hardware.simulator.testing import InProcessBoard
from hardware.vlan import FRONT_PORTS, Tagging, Vlan, VlanTable
from switch.documents import USUAL
from switch.planning import plan
from switch.services import applying

U, T = Tagging.UNTAGGED, Tagging.TAGGED
CONTROLLER, UPLINK = 7, 8  # switch ports
#: Three VLANs on the slots, all of them tagged on the uplink, as in the vendor's plan of 936 transactions.
MEMBERS: dict[int, dict[int, Tagging]] = {
    1: {CONTROLLER: U, UPLINK: T},
    10: {1: U, 2: U, 3: U, UPLINK: T},
    20: {4: U, 5: U, 6: U, UPLINK: T},
}
ADDRESSES = 40
CLOCKS_PER_BYTE, CLOCKS_PER_TRANSFER = 9, 2
FREQUENCIES = (400, 100)  # kHz
#: Transactions of the vendor's driver. Sections of our register reference; vectors as files.
MOVED = 24 + 24 + 36  # vlan_members.json twice, pvid_all_ports.json once
BASELINES: dict[str, dict[str, float]] = {
    "identity": {"vendor": 300},  # its start-up (init_i2c.json)
    "all_ports_status": {"vendor": 8 * 10},  # port_status.json
    "all_counters": {"vendor": 8 * 284},  # mib_read.json: mib_get_all
    "fdb_dump": {"vendor": 81_948},  # its search for the addresses of one port (issue 5)
    "plan_three_vlans_trunk": {"vendor": 936},  # section 26
    "close_all_vlans": {"vendor": 4096 * 24},  # vlan_members.json, once for each entry
    # Ours lets the switch forget addresses; the vendor's driver looks at 4,112 places for that (section 10).
    "one_port_change": {"vendor_with_flush": MOVED + 4112 * 10, "vendor_without_flush": MOVED},
}


@dataclass(frozen=True)
class Cost:
    """What crossed the bus; `written` of the transfers belong to writes of the chip's words, the others to reads."""

    transfers: int
    written: int
    bytes: int

    def bus_ms(self, kilohertz: int) -> float:
        return (CLOCKS_PER_BYTE * self.bytes + CLOCKS_PER_TRANSFER * self.transfers) / kilohertz


class Bench:
    """A simulated board whose switch has a device at every port, and the driver that does not know it yet."""

    def __init__(self, folder: Path) -> None:
        clock = VirtualClock()
        self._board = InProcessBoard(clock)
        self.model = self._board.board.switch
        for port in FRONT_PORTS:
            self.model.set_partner(port, 1000)
        bus = LinuxI2cBus(self._board.smbus())
        # None: the byte order on the wire has to be found out, too.
        self.chip = Jl6108(I2cBridge(bus, SWITCH_ADDRESS, BusLock(folder / "bus.lock"), None), clock)

    def cost(self, act: Callable[[], object]) -> Cost:
        """What `act` puts on the bus."""
        before = len(self._board.trace())
        act()
        return cost_of([entry for entry in self._board.trace()[before:] if entry.get("bus") == "i2c"])

    def close_all(self) -> None:
        """Every entry closed, past the bus."""
        for vid in range(tables.VIDS):
            self.model.memory.write(tables.VLAN.at(vid), [0, 0])


def cost_of(transfers: list[dict[str, Any]]) -> Cost:
    """The cost of these entries of a trace. A write begins with its data, a read with what it wants (section 3.1)."""
    written, is_write, size = 0, False, 0
    for entry in transfers:
        data = bytes.fromhex(entry["data"])
        size += 1 + len(data)
        if entry["op"] == "w" and len(data) == 4:
            register, value = int.from_bytes(data[:2], "big"), int.from_bytes(data[2:], "big")
            if register == 0x784:  # WD_L
                is_write = True
            elif register == 0x781 and not value & 1:  # INFOR: read
                is_write = False
        written += is_write
    return Cost(len(transfers), written, size)


def measure() -> list[Figure]:
    """All figures of this benchmark."""
    figures = []
    for case, act in CASES.items():
        with workspace() as folder:
            figures += shown(case, act(Bench(folder)))
    return figures


@contextmanager
def workspace() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="np-bench-") as folder:
        yield Path(folder)


def shown(case: str, cost: Cost) -> list[Figure]:
    name = f"switch.{case}"
    made = [
        Figure(f"{name}.i2c_transactions", cost.transfers, "transfers", 1, BASELINES.get(case, {})),
        Figure(f"{name}.bytes", cost.bytes, "bytes", 1),
        *(Figure(f"{name}.bus_ms_at_{khz}khz", cost.bus_ms(khz), "ms", 1) for khz in FREQUENCIES),
    ]
    if cost.written:
        made.append(Figure(f"{name}.writes.i2c_transactions", cost.written, "transfers", 1))
        made.append(Figure(f"{name}.reads.i2c_transactions", cost.transfers - cost.written, "transfers", 1))
    return made


def identity(bench: Bench) -> Cost:
    """A chip of which nothing is known, its byte order neither."""
    return bench.cost(bench.chip.identify)


def all_ports_status(bench: Bench) -> Cost:
    bench.chip.identify()
    return bench.cost(bench.chip.read_links)


def all_counters(bench: Bench) -> Cost:
    bench.chip.identify()
    return bench.cost(bench.chip.read_all_counters)


def fdb_dump(bench: Bench) -> Cost:
    """The addresses of 40 devices, five at each port."""
    bench.chip.identify()
    for number in range(ADDRESSES):
        net.forward(bench.model, FRONT_PORTS[number % 8], net.Frame(src=0x0250B6000000 + 257 * number))

    def dump() -> None:
        found = len(bench.chip.read_addresses())
        if found != ADDRESSES:
            raise RuntimeError(f"{ADDRESSES} devices have spoken, {found} were found.")

    return bench.cost(dump)


def close_all_vlans(bench: Bench) -> Cost:
    """Every entry of a chip fresh from reset, each read back; finding out what they held costs as much once more."""
    bench.chip.identify()
    return bench.cost(lambda: bench.chip.write_vlans(dict.fromkeys(range(tables.VIDS), CLOSED)))


def plan_three_vlans_trunk(bench: Bench) -> Cost:
    """From a closed and scanned table to all three, learned addresses forgotten."""
    bench.close_all()
    return bench.cost(applied(bench, ChipVlans({}, bench.chip.read_all_port_tables()), MEMBERS)[0])


def one_port_change(bench: Bench) -> Cost:
    """One slot from one of the three VLANs to another, learned addresses forgotten."""
    bench.close_all()
    apply, held = applied(bench, ChipVlans({}, bench.chip.read_all_port_tables()), MEMBERS)
    apply()
    moved = {vid: dict(ports) for vid, ports in MEMBERS.items()}
    moved[20][3] = moved[10].pop(3)
    return bench.cost(applied(bench, held, moved)[0])


def traffic_sample(bench: Bench) -> Cost:
    """What the worker reads every ten seconds."""
    bench.chip.identify()
    return bench.cost(bench.chip.read_all_traffic)


def look(bench: Bench) -> Cost:
    """What the worker reads every minute, and before anything is planned, of a switch with three VLANs."""
    bench.close_all()
    apply, held = applied(bench, ChipVlans({}, bench.chip.read_all_port_tables()), MEMBERS)
    apply()
    return bench.cost(lambda: applying.read(bench.chip, held))


def applied(
    bench: Bench, running: ChipVlans, members: dict[int, dict[int, Tagging]]
) -> tuple[Callable[[], None], ChipVlans]:
    """What takes the switch to a table as the portal's worker does it, and what it holds then."""
    table = VlanTable(tuple(Vlan(vid, f"net {vid}", ports) for vid, ports in members.items()), management_vid=1)
    wanted = plan(running, table, USUAL).wanted
    return lambda: applying.apply(bench.chip, running, wanted, forgets=True), wanted


CASES: dict[str, Callable[[Bench], Cost]] = {
    "identity": identity,
    "all_ports_status": all_ports_status,
    "all_counters": all_counters,
    "fdb_dump": fdb_dump,
    "plan_three_vlans_trunk": plan_three_vlans_trunk,
    "one_port_change": one_port_change,
    "traffic_sample": traffic_sample,
    "look": look,
    "close_all_vlans": close_all_vlans,
}
