"""The VLAN side of the JL6108: its 4,096 entries, and for each port three tables. Sections 5.1 to 5.5.

The chip knows no untagged or tagged members. A frame is put into a VLAN by its tag or its port's default, and three
operations may push or pop a tag on its way: its source port's, its VLAN's and its destination port's. What makes
802.1Q of that is in `recipes`; here entries are only read and written.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

from hardware.errors import Stopped
from hardware.jl6108 import tables
from hardware.jl6108.access import Access, E
from hardware.jl6108.layout import Entry, Register
from hardware.jl6108.numbering import ALL_PORTS, core_mask, core_port, ports_in
from hardware.jl6108.transport import LONGEST_BURST_WORDS

ENTRIES_PER_BURST = LONGEST_BURST_WORDS // tables.VLAN.words
#: The vendor's driver refuses this FID (section 5.2).
HIGHEST_FID = 4094

#: Called with the work done and the work there is.
Progress = Callable[[int, int], None]


class TagOperation(IntEnum):
    """What is done to a frame's tags (section 5.1). What SWAP does to an untagged frame is not known."""

    NONE = 0
    SWAP = 1
    PUSH = 2
    POP = 3
    REMOVE_ALL = 4


class Choice(IntEnum):
    """Where a pushed tag's VID, priority or drop bit comes from (section 25 item 6)."""

    OUTER_TAG = 0  # of the frame; the entry's own where it has none
    OWN = 1
    SECOND_TAG = 2


@dataclass(frozen=True)
class VlanEntry(Entry):
    """An entry of the VLAN table. Zero is closed: no port is in it."""

    register: ClassVar[Register] = tables.VLAN

    @classmethod
    def of(cls, ports: Collection[int], fid: int) -> Self:
        """An entry with these ports, front ones or the CPU's, that learns addresses apart from those of other FIDs."""
        return cls().replace(members=core_mask(ports), fid=fid)

    @property
    def ports(self) -> frozenset[int]:
        return ports_in(self["members"])

    def with_ports(self, ports: Collection[int]) -> Self:
        return self.replace(members=core_mask(ports))


#: No port is in it, and nothing is left of it (section 25 item 8).
CLOSED = VlanEntry(0)
#: What an entry holds after a reset [inferred, section 5.2]: every port is in it, so that a frame tagged with its VID
#: crosses the switch.
OPEN = VlanEntry(0x7FF)


@dataclass(frozen=True)
class SourcePort(Entry):
    """What a port does with a frame that comes in; also its learning and mirroring."""

    register: ClassVar[Register] = tables.SOURCE_PORT


@dataclass(frozen=True)
class EgressPort(Entry):
    """What a port does with a frame that leaves."""

    register: ClassVar[Register] = tables.EGRESS_PORT


@dataclass(frozen=True)
class FrameFilter(Entry):
    """Which kinds of frames a port drops when they come in."""

    register: ClassVar[Register] = tables.FRAME_FILTER


@dataclass(frozen=True)
class PortTables:
    """What the three tables hold for one port."""

    source: SourcePort
    egress: EgressPort
    frame_filter: FrameFilter


class VlanTables(Access):
    """Ports are 1 to 8 and the CPU's. Everything raises BusError, ChipRefused; ValueError for a port, VID or field that
    is not there; what verifies reads back what it wrote and raises RegistersDiffer.
    """

    # VLAN entries

    def read_vlan(self, vid: int) -> VlanEntry:
        """One entry: 14 transfers."""
        return VlanEntry(self._get(tables.VLAN, vid))

    def read_vlans(self, vids: Iterable[int]) -> dict[int, VlanEntry]:
        """These entries, neighbours in one burst."""
        entries: dict[int, VlanEntry] = {}
        for run in _runs(vids):
            if entries:
                self._bridge.give_way()
            entries.update(zip(run, map(VlanEntry, self._get_run(tables.VLAN, run.start, len(run))), strict=True))
        return entries

    def scan_vlans(
        self, on_progress: Progress = lambda done, total: None, stop: threading.Event | None = None
    ) -> dict[int, VlanEntry]:
        """All 4,096 entries by VID: 35,840 transfers, some 4 s at 400 kHz, giving way after each burst.

        Raises Stopped once `stop` is set.
        """
        entries: dict[int, VlanEntry] = {}
        for run in _runs(range(tables.VIDS)):
            _go_on(stop, "Reading the VLAN table")
            entries.update(self.read_vlans(run))
            self._bridge.give_way()
            on_progress(len(entries), tables.VIDS)
        return entries

    def write_vlan(self, vid: int, entry: VlanEntry, *, verify: bool = True) -> None:
        """Writes one entry, every bit of it: 10 transfers, and 14 to verify."""
        self._put(tables.VLAN, vid, entry.value, verify=verify)

    def write_vlans(
        self,
        entries: Mapping[int, VlanEntry],
        on_progress: Progress = lambda done, total: None,
        stop: threading.Event | None = None,
        *,
        verify: bool = True,
    ) -> None:
        """Writes these entries, neighbours in one burst, VID 0 last since every port's default is in it after a reset.

        All 4,096 take 19,456 transfers, and 35,840 to verify. Gives way after each burst. Raises Stopped.
        """
        done = 0
        # Sorting is stable: the burst with VID 0 goes to the end, the others keep their order.
        for run in sorted(_runs(entries), key=lambda run: 0 in run):
            _go_on(stop, "Writing the VLAN table")
            words = tuple(word for vid in run for word in entries[vid].words)
            self.write_words(tables.VLAN.at(run.start), words)
            if verify:
                found = self.read_vlans(run)
                self._require_same((tables.VLAN, vid, entries[vid].value, found[vid].value) for vid in run)
            self._bridge.give_way()
            done += len(run)
            on_progress(done, len(entries))

    def change_vlan(self, vid: int, /, *, verify: bool = True, **fields: int) -> VlanEntry:
        """Changes fields of one entry and no other bit; returns the entry as it is now. Its own VID is one of them."""
        return self._change(VlanEntry, vid, verify, fields)

    def set_vlan_members(self, vid: int, ports: Collection[int], *, verify: bool = True) -> None:
        """Lets exactly these ports, front ones or the CPU's, be in a VLAN."""
        self.change_vlan(vid, verify=verify, members=core_mask(ports))

    def set_vlan_fid(self, vid: int, fid: int, *, verify: bool = True) -> None:
        """Sets the domain (0 to 4094) in which the VLAN's addresses are learned."""
        if not 0 <= fid <= HIGHEST_FID:
            raise ValueError(f"A VLAN learns in FID 0 to {HIGHEST_FID}, not {fid}.")
        self.change_vlan(vid, verify=verify, fid=fid)

    def set_vlan_operation(self, vid: int, operation: TagOperation, *, verify: bool = True) -> None:
        """Sets what is done to the tags of every frame of a VLAN."""
        self.change_vlan(vid, verify=verify, operation=operation)

    def close_vlan(self, vid: int, *, verify: bool = True) -> None:
        """Lets no port be in a VLAN and leaves nothing of it."""
        self.write_vlan(vid, CLOSED, verify=verify)

    def open_vlan(self, vid: int, *, verify: bool = True) -> None:
        """Puts an entry back to what it is after a reset, which the vendor calls deleting: *every* port is in it."""
        self.write_vlan(vid, OPEN, verify=verify)

    # Port tables

    def read_port_tables(self, port: int) -> PortTables:
        """What the tables hold for one port: 46 transfers."""
        core = core_port(port)
        return PortTables(
            SourcePort(self._get(tables.SOURCE_PORT, core)),
            EgressPort(self._get(tables.EGRESS_PORT, core)),
            FrameFilter(self._get(tables.FRAME_FILTER, core)),
        )

    def read_all_port_tables(self) -> dict[int, PortTables]:
        """What the tables hold for all nine ports, the CPU's last: 288 transfers."""
        first, count = core_port(ALL_PORTS[0]), len(ALL_PORTS)
        sources = map(SourcePort, self._get_run(tables.SOURCE_PORT, first, count))
        egresses = map(EgressPort, self._get_run(tables.EGRESS_PORT, first, count))
        filters = map(FrameFilter, self._get_run(tables.FRAME_FILTER, first, count))
        return dict(zip(ALL_PORTS, map(PortTables, sources, egresses, filters), strict=True))

    def write_port_tables(
        self, port: int, wanted: PortTables, running: PortTables | None = None, *, verify: bool = True
    ) -> None:
        """Writes what `wanted` has otherwise than `running`, or all of it: at most 32 transfers, and 46 to verify.

        Whole entries go out, so `wanted` must have been made from what was read: its other bits would be lost.
        """
        core = core_port(port)
        new = _entries(wanted)
        old = _entries(running) if running else (None,) * len(new)
        changed = [entry for entry, was in zip(new, old, strict=True) if entry != was]
        for entry in changed:
            self._put(entry.register, core, entry.value)
        for entry in changed if verify else []:
            self._verify(entry.register, entry.value, core)

    def change_source_port(self, port: int, *, verify: bool = True, **fields: int) -> SourcePort:
        """Changes fields of what a port does with frames that come in, and no other bit."""
        return self._change(SourcePort, core_port(port), verify, fields)

    def change_egress_port(self, port: int, *, verify: bool = True, **fields: int) -> EgressPort:
        """Changes fields of what a port does with frames that leave, and no other bit."""
        return self._change(EgressPort, core_port(port), verify, fields)

    def change_frame_filter(self, port: int, *, verify: bool = True, **fields: int) -> FrameFilter:
        """Changes which kinds of frames a port drops when they come in, and no other bit."""
        return self._change(FrameFilter, core_port(port), verify, fields)

    def set_pvid(self, port: int, vid: int, *, dei: int = 0, pcp: int = 0, order: int = 0, verify: bool = True) -> None:
        """Sets the VLAN (1 to 4095) and priority of frames that come in without a tag.

        `order` 0 to 3 weighs it against the ranges of section 5.6. 0, the value after a reset, cannot be set
        (section 25 item 5).
        """
        if not vid:
            raise ValueError("A port's default VID is 1 to 4095, not 0.")
        fields = {"default_vid": vid, "default_dei": dei, "default_pcp": pcp, "default_vid_order": order}
        self.change_source_port(port, verify=verify, **fields)

    def set_ingress_operation(
        self,
        port: int,
        operation: TagOperation,
        *,
        vid: Choice = Choice.OUTER_TAG,
        dei: Choice = Choice.OUTER_TAG,
        pcp: Choice = Choice.OUTER_TAG,
        tag_type: int = 0,
        assignment: int = 0,
        verify: bool = True,
    ) -> None:
        """Sets what a port does to the tags of frames that come in, and where a pushed tag's parts come from.

        `tag_type` 0 is 0x8100, 1 0x88A8, 2 the chip's own setting; `assignment` 0 lets a tag decide on the VLAN, 1
        always takes the PVID.
        """
        choices = {"vid_choice": vid, "dei_choice": dei, "pcp_choice": pcp, "type_choice": tag_type}
        self.change_source_port(port, verify=verify, operation=operation, assignment=assignment, **choices)

    def set_egress_operation(
        self,
        port: int,
        operation: TagOperation,
        *,
        vid: Choice = Choice.OUTER_TAG,
        dei: Choice = Choice.OUTER_TAG,
        pcp: Choice = Choice.OUTER_TAG,
        tag_type: int = 0,
        verify: bool = True,
    ) -> None:
        """Sets what a port does to the tags of frames that leave."""
        choices = {"vid_choice": vid, "dei_choice": dei, "pcp_choice": pcp, "type_choice": tag_type}
        self.change_egress_port(port, verify=verify, operation=operation, **choices)

    def _change(self, kind: type[E], index: int, verify: bool, fields: Mapping[str, int]) -> E:
        _, after = self._modify(kind.register, index, **fields)
        if verify:
            self._verify(kind.register, after, index)
        return kind(after)


def _entries(port: PortTables) -> tuple[Entry, ...]:
    """The tables of a port in the order in which they are written (section 25 item 17)."""
    return (port.egress, port.source, port.frame_filter)


def _runs(vids: Iterable[int]) -> list[range]:
    """Neighbouring VIDs, as many as a burst takes, in ascending order."""
    runs: list[range] = []
    for vid in sorted(set(vids)):
        if runs and runs[-1].stop == vid and len(runs[-1]) < ENTRIES_PER_BURST:
            runs[-1] = range(runs[-1].start, vid + 1)
        else:
            runs.append(range(vid, vid + 1))
    return runs


def _go_on(stop: threading.Event | None, what: str) -> None:
    if stop is not None and stop.is_set():
        raise Stopped(what)
