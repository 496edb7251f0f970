"""Settings of the simulated switch, written into its words as jl6108.md 5 and 26 describe them."""

from collections.abc import Mapping

from hardware.simulator import net
from hardware.simulator.clock import Scheduler

VLAN_TABLE, SOURCE, EGRESS, INGRESS_FILTER, PAIR_FILTER = 0x1064FC, 0x11F3B0, 0x122720, 0x11F354, 0x11EEA0
NONE, SWAP, PUSH, POP, REMOVE_ALL = range(5)
CLOSED_VID = 4000


class Recipes:
    """A switch with a device at each port, and what a driver would write into it. Ports are 1 to 9 (the chip's own)."""

    def __init__(self, assumptions: Mapping[str, str] | None = None, scheduler: Scheduler | None = None) -> None:
        self.chip = net.linked_switch(assumptions, scheduler)
        self.memory = self.chip.memory

    def send(self, port: int, *vids: int, **fields: int) -> dict[int, list[int]]:
        """Let a frame with these tags in at a port; return the VIDs with which it leaves, by port."""
        return {
            to: [tag.vid for tag in frame.tags] for to, frame in self.pass_through(port, net.tagged(*vids, **fields))
        }

    def pass_through(self, port: int, frame: net.Frame) -> list[tuple[int, net.Frame]]:
        return net.forward(self.chip, port, frame)

    def close_all(self) -> None:
        """Close every VLAN entry, VID 0 too."""
        for vid in range(0, 4096, 8):
            self.memory.write(VLAN_TABLE + 8 * vid, [0] * 16)

    def vlan(self, vid: int, *ports: int, op: int = NONE, own: bool = False, gid: int | None = None) -> None:
        """Put ports into a VLAN; `own` lets its operation use its own VID and the frame's priority."""
        entry = sum(1 << port + 1 for port in ports) | (vid if gid is None else gid) << 11 | op << 34
        if own:
            entry |= 1 << 37 | vid << 45
        self._write(VLAN_TABLE + 8 * vid, entry, 2)

    def source(self, port: int, pvid: int, op: int = NONE, bits: int = 0) -> None:
        """Set a port's ingress side: default VID, operation with the three selectors 1, and any further bits."""
        entry = 9 | 2 << 49 | pvid << 29 | op << 16 | bits
        if op in (PUSH, SWAP):
            entry |= 1 << 19 | 1 << 21 | 1 << 23
        self._write(SOURCE + 16 * (port + 1), entry, 4)

    def egress(self, port: int, op: int = NONE, bits: int = 0) -> None:
        self._write(EGRESS + 8 * (port + 1), op << 1 | bits, 2)

    def refuse(self, port: int, *bits: int) -> None:
        """Set bits of a port's frame-type filter."""
        self.memory.write(INGRESS_FILTER + 4 * (port + 1), [sum(1 << bit for bit in bits)])

    def access(self, port: int, vid: int, filtered: bool = True) -> None:
        """The baseline recipe's access port (26)."""
        self.source(port, vid, PUSH)
        self.egress(port, POP)
        self.refuse(port, *((0, 1) if filtered else ()))

    def trunk(self, port: int) -> None:
        """The baseline recipe's port of tagged VLANs only."""
        self.source(port, CLOSED_VID)
        self.egress(port)
        self.refuse(port, 3)

    def native(self, port: int, vid: int) -> None:
        """The baseline recipe's trunk with a native VLAN."""
        self.source(port, vid)
        self.egress(port)
        self.refuse(port)

    def three_vlans(self) -> None:
        """Ports 1 and 2 in VLAN 10, 3 and 4 in 20, 5 and the chip in 30, all tagged at port 8."""
        self.close_all()
        for port, vid in ((1, 10), (2, 10), (3, 20), (4, 20), (5, 30), (net.CPU_PORT, 30)):
            self.access(port, vid)
        self.trunk(8)
        self.vlan(10, 1, 2, 8)
        self.vlan(20, 3, 4, 8)
        self.vlan(30, 5, 8, net.CPU_PORT)
        for port in (6, 7):
            self.source(port, CLOSED_VID)

    def canonical(self, vids: Mapping[int, Mapping[int, int]]) -> None:
        """The canonical recipe (26): `vids` tells for each VLAN its ports and their egress operation."""
        self.close_all()
        for vid, ports in vids.items():
            self.vlan(vid, *ports, op=PUSH, own=True)
            for port, op in ports.items():
                self.source(port, vid, POP)
                self.egress(port, op)

    def _write(self, address: int, entry: int, words: int) -> None:
        self.memory.write(address, [entry >> 32 * i & 0xFFFFFFFF for i in range(words)])
