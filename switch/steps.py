"""From what the switch holds to what it is to hold: the writes in their order. Pure.

Closing comes first: ports that are to be off go off, copies end, who is to be kept apart is; an entry is narrowed to
the ports that stay as they are, then the ports that change are written while they are in no VLAN, then the entries are
opened, and in the end those hear each other again who may, copies begin, and links are set. So no frame ever takes a
way that neither of the two allows, wherever it is interrupted.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from hardware.jl6108.link_settings import LinkSettings
from hardware.jl6108.mirror import OutputMirror
from hardware.jl6108.numbering import ALL_PORTS, core_mask
from hardware.jl6108.recipes import NOWHERE_VID, ChipVlans
from hardware.jl6108.setups import unmirrored
from hardware.jl6108.vlans import CLOSED, PortTables, VlanEntry

#: Read with every plan, whatever it is about. After a reset of the chip every entry is open, and we never leave NOWHERE
#: open: found open where it should be closed, it says that nothing that was known of the other entries holds any more.
CANARY_VID = NOWHERE_VID


@dataclass(frozen=True)
class WriteEntries:
    """Entries by VID; each of them is one act of the chip, their order is the driver's."""

    entries: Mapping[int, VlanEntry] = field(hash=False)
    opens: bool


@dataclass(frozen=True)
class WritePort:
    """The tables of one port that differ, while the port is in no VLAN. Nothing that enters it is copied yet."""

    port: int
    wanted: PortTables
    running: PortTables


@dataclass(frozen=True)
class WriteIsolation:
    """For each port, the ports whose frames do not leave there from now on."""

    blocked: Mapping[int, frozenset[int]] = field(hash=False)
    opens: bool


@dataclass(frozen=True)
class WriteMirror:
    """What copies one port's frames: its tables, of which only that differs, and where what leaves it goes."""

    port: int
    wanted: PortTables
    running: PortTables
    output: OutputMirror
    opens: bool


@dataclass(frozen=True)
class WriteLink:
    """How one port makes its link."""

    port: int
    wanted: LinkSettings
    running: LinkSettings


Step = WriteEntries | WritePort | WriteIsolation | WriteMirror | WriteLink


def steps(running: ChipVlans, wanted: ChipVlans) -> tuple[Step, ...]:
    """The writes that take the chip from one to the other; empty if it is there already.

    Holds for any two contents, so it is also the way back from whatever an interrupted apply left.
    """
    closing, opening = _entries(running, wanted)
    # Before everything else, and read once more at the end: open again, it tells that the chip was reset in between.
    canary = {CANARY_VID: closing.pop(CANARY_VID)} if CANARY_VID in closing else {}
    first: list[Step] = [WriteEntries(canary, opens=False)] if canary else []
    tighter, looser = _isolation(running, wanted)
    off, on = _links(running, wanted)
    begun: list[Step] = [WriteIsolation(tighter, opens=False)] if tighter else []
    begun += [WriteEntries(closing, opens=False)] if closing else []
    begun += [_write_port(running, wanted, port) for port in changing_ports(running, wanted)]
    begun += [WriteEntries(opening, opens=True)] if opening else []
    begun += [WriteIsolation(looser, opens=True)] if looser else []
    silent, copying = _mirrors(running, wanted, is_more=bool(begun))
    return (*first, *off, *silent, *begun, *copying, *on)


def changing_ports(running: ChipVlans, wanted: ChipVlans) -> tuple[int, ...]:
    """The ports whose tables are written, whatever of their frames is copied."""
    return tuple(
        port for port in ALL_PORTS if _with_mirror_of(wanted.ports[port], running.ports[port]) != running.ports[port]
    )


def named(*contents: ChipVlans) -> tuple[int, ...]:
    """The VIDs whose entries any of the contents speaks of: those are read back. All others are closed and stay so."""
    return tuple(sorted({vid for one in contents for vid in one.entries} | {CANARY_VID}))


def cut_off(running: ChipVlans, wanted: ChipVlans) -> frozenset[int]:
    """Ports that carry frames now and are kept from what they may do before and after, while it is applied.

    From a VLAN that they are in, or from everything, while they make their link anew.
    """
    changing = changing_ports(running, wanted)
    cut: frozenset[int] = frozenset()
    for vid in named(running, wanted):
        before, after = running.entry(vid), wanted.entry(vid)
        cut |= before.ports - narrowed(before, after, changing).ports if after.ports else frozenset()
    carrying = {port for port in changing if any(port in entry.ports for entry in running.entries.values())}
    return cut | carrying | {port for port in dropping(running, wanted) if wanted.links[port].enabled}


def dropping(running: ChipVlans, wanted: ChipVlans) -> tuple[int, ...]:
    """The ports that lose their link, for seconds or for good."""
    return tuple(port for port in _common(running.links, wanted.links) if _drops(running, wanted, port))


def _drops(running: ChipVlans, wanted: ChipVlans, port: int) -> bool:
    return wanted.links[port].drops_link_of(running.links[port])


def _common(running: Mapping[int, object], wanted: Mapping[int, object]) -> list[int]:
    """The ports that both speak of."""
    return [port for port in wanted if port in running]


# VLANs


def _entries(running: ChipVlans, wanted: ChipVlans) -> tuple[dict[int, VlanEntry], dict[int, VlanEntry]]:
    """What entries are narrowed to, and what they are opened to."""
    changing = changing_ports(running, wanted)
    closing: dict[int, VlanEntry] = {}
    opening: dict[int, VlanEntry] = {}
    for vid in named(running, wanted):
        before, after = running.entry(vid), wanted.entry(vid)
        between = narrowed(before, after, changing)
        if between != before:
            closing[vid] = between
        if between != after:
            opening[vid] = after
    return closing, opening


def narrowed(before: VlanEntry, after: VlanEntry, changing: Iterable[int]) -> VlanEntry:
    """An entry while ports change: those that are in it before and after and stay as they are.

    None, if what it does to tags changes; nothing at all of it is left if it is to be closed.
    """
    if not after.value:
        return CLOSED
    if _tagging(before) != _tagging(after):
        return before.replace(members=0)
    return before.replace(members=before["members"] & after["members"] & ~core_mask(tuple(changing)))


def _tagging(entry: VlanEntry) -> int:
    return entry.replace(members=0, fid=0).value


# Isolation


def _isolation(running: ChipVlans, wanted: ChipVlans) -> tuple[dict[int, frozenset[int]], dict[int, frozenset[int]]]:
    """First nobody hears whom they do not hear before or do not hear after; then those hear each other who may."""
    tighter, looser = {}, {}
    for port in _common(running.isolation, wanted.isolation):
        before, after = running.isolation[port], wanted.isolation[port]
        if after - before:
            tighter[port] = before | after
        if before - after:
            looser[port] = after
    return tighter, looser


# Mirror: copies end before anything else is written and begin after it, so that none goes a way of its own


def _mirrors(running: ChipVlans, wanted: ChipVlans, *, is_more: bool) -> tuple[list[WriteMirror], list[WriteMirror]]:
    """The ends and the beginnings of copies; `is_more`: something that frames meet is written between them."""
    ports = _common(running.output_mirrors, wanted.output_mirrors)
    if not is_more and not any(_copies(running, port) != _copies(wanted, port) for port in ports):
        return [], []
    ends, begins = [], []
    for port in ports:
        before, output = running.ports[port], running.output_mirrors[port]
        quiet, silent = unmirrored(before), output.replace(mirrored=0)
        if (quiet, silent) != (before, output):
            ends.append(WriteMirror(port, quiet, before, silent, opens=False))
        between = _with_mirror_of(wanted.ports[port], quiet)
        if (between, silent) != (wanted.ports[port], wanted.output_mirrors[port]):
            begins.append(WriteMirror(port, wanted.ports[port], between, wanted.output_mirrors[port], opens=True))
    return ends, begins


def _copies(chip: ChipVlans, port: int) -> tuple[int, int, int]:
    source = chip.ports[port].source
    return source["mirrored"], source["mirror_to"], chip.output_mirrors[port].value


def _with_mirror_of(tables: PortTables, other: PortTables) -> PortTables:
    mirror = {name: other.source[name] for name in ("mirrored", "mirror_to")}
    return replace(tables, source=tables.source.replace(**mirror))


def _write_port(running: ChipVlans, wanted: ChipVlans, port: int) -> WritePort:
    before = unmirrored(running.ports[port]) if port in running.output_mirrors else running.ports[port]
    return WritePort(port, _with_mirror_of(wanted.ports[port], before), before)


# Links


def _links(running: ChipVlans, wanted: ChipVlans) -> tuple[list[WriteLink], list[WriteLink]]:
    """The ports that go off, which come first, and everything else about links."""
    off: list[WriteLink] = []
    other: list[WriteLink] = []
    for port in _common(running.links, wanted.links):
        before, after = running.links[port], wanted.links[port]
        if before != after:
            goes_off = before.enabled and not after.enabled
            (off if goes_off else other).append(WriteLink(port, after, before))
    return off, other
