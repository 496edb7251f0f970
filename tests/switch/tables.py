"""Random VLAN tables, pairs of them, and every state that the chip passes through between two."""

from collections.abc import Iterator

from hypothesis import strategies as st

from hardware.jl6108.numbering import ALL_PORTS
from hardware.jl6108.recipes import ChipVlans, translate
from hardware.jl6108.vlans import OPEN, EgressPort, FrameFilter, PortTables, SourcePort
from hardware.vlan import CPU_PORT, FRONT_PORTS, Accepts, PortRule, Recipe, Tagging, Vlan, VlanTable, refusals
from switch.planning import Step, WriteEntries
from tests.hardware.jl6108.pipeline import Frame, forward

U, T = Tagging.UNTAGGED, Tagging.TAGGED
UPLINK, CONTROLLER = 8, 7
#: As the firmware leaves a port: it learns, asks its access list, and takes in frames with one tag at most.
FRESH_PORT = PortTables(SourcePort(0x9 | 0x40000 << 32), EgressPort(0), FrameFilter(0))
FRESH_PORTS = dict.fromkeys(ALL_PORTS, FRESH_PORT)
#: A chip after reset.
RESET = ChipVlans(dict.fromkeys(range(4096), OPEN), FRESH_PORTS)
#: The same with all entries closed: what plans are tried on where 4,096 entries would only take time.
CLOSED_CHIP = ChipVlans({}, FRESH_PORTS)
VIDS = (1, 2, 3, 4, 20)
FOREIGN_VID = 77

Members = dict[int, dict[int, Tagging]]


def flat(*vlans: Vlan, management: int = 1) -> VlanTable:
    """VLAN 1 untagged on every port, and others."""
    return VlanTable((Vlan(1, "management", dict.fromkeys(FRONT_PORTS, U)), *vlans), management)


@st.composite
def tables(draw: st.DrawFn, recipe: Recipe = Recipe.BASELINE) -> VlanTable:
    """Any table of one to four VLANs that the chip can do by that recipe."""
    vids = draw(st.lists(st.sampled_from(VIDS), min_size=1, max_size=4, unique=True))
    members: Members = {vid: {} for vid in vids}
    rules = {port: draw(_port(port, members, vids)) for port in FRONT_PORTS}
    return _made(members, rules, draw(st.sampled_from(vids)), recipe)


@st.composite
def pairs(draw: st.DrawFn, recipe: Recipe = Recipe.BASELINE) -> tuple[VlanTable, VlanTable]:
    """Two tables: unrelated ones, or one with a few of its ports otherwise."""
    before = draw(tables(recipe))
    if draw(st.booleans()):
        return before, draw(tables(recipe))
    members: Members = {vlan.vid: dict(vlan.members) for vlan in before.vlans}
    if len(members) < 4:
        members.setdefault(draw(st.sampled_from(VIDS)), {})
    rules = dict(before.rules)
    for port in draw(st.sets(st.sampled_from(FRONT_PORTS), min_size=1, max_size=3)):
        for vlan in members.values():
            vlan.pop(port, None)
        rules[port] = draw(_port(port, members, list(members)))
    return before, _made(members, rules, before.management_vid, recipe)


@st.composite
def _port(draw: st.DrawFn, port: int, members: Members, vids: list[int]) -> PortRule:
    kind = draw(st.sampled_from(["none", "access", "access", "trunk", "trunk", "mixed"]))
    if kind == "none":
        return PortRule()
    if kind in ("access", "mixed"):
        members[draw(st.sampled_from(vids))][port] = U
    if kind in ("trunk", "mixed"):
        for vid in draw(st.sets(st.sampled_from(vids))):
            members[vid].setdefault(port, T)
    untagged = [vid for vid in vids if members[vid].get(port) is U]
    tagged = [vid for vid in vids if members[vid].get(port) is T]
    if not untagged:
        return PortRule()
    return PortRule(untagged[0], draw(st.sampled_from([Accepts.ALL, Accepts.UNTAGGED])) if tagged else Accepts.UNTAGGED)


def _made(members: Members, rules: dict[int, PortRule], management: int, recipe: Recipe) -> VlanTable:
    """The table, its ports made plain one after the other until the chip can do it."""
    while True:
        table = VlanTable(tuple(Vlan(vid, f"net {vid}", members[vid]) for vid in members), management, rules)
        found = refusals(table, recipe)
        if not found:
            return table
        for port in found[0].ports[:1]:
            for vlan in members.values():
                vlan.pop(port, None)
            rules[port] = PortRule()


def chip_of(table: VlanTable, recipe: Recipe = Recipe.BASELINE) -> ChipVlans:
    return translate(table, FRESH_PORTS, recipe=recipe)


def states(running: ChipVlans, steps: tuple[Step, ...]) -> Iterator[ChipVlans]:
    """What the chip holds before the first write and after each, in the order in which the driver writes."""
    entries, ports = dict(running.entries), dict(running.ports)
    yield running
    for step in steps:
        if isinstance(step, WriteEntries):
            for vid in sorted(step.entries, key=lambda vid: (vid == 0, vid)):
                entries[vid] = step.entries[vid]
                yield ChipVlans(dict(entries), dict(ports))
            continue
        was, to = ports[step.port], step.wanted
        for half in (
            PortTables(was.source, to.egress, was.frame_filter),
            PortTables(to.source, to.egress, was.frame_filter),
            to,
        ):
            ports[step.port] = half
            yield ChipVlans(dict(entries), dict(ports))


def live(chip: ChipVlans) -> dict[int, int]:
    """The entries that are not closed."""
    return {vid: entry.value for vid, entry in chip.entries.items() if entry.value}


def same(one: ChipVlans, other: ChipVlans) -> bool:
    return live(one) == live(other) and dict(one.ports) == dict(other.ports)


Ways = dict[tuple[int, Frame], dict[int, Frame]]


def ways(chip: ChipVlans) -> Ways:
    """Where every frame leaves, and as what: untagged ones, ones of every VID, and some with two tags."""
    frames: list[Frame] = [(), (0,), (FOREIGN_VID,), *((vid,) for vid in VIDS), (1, 20), (20, 1), (2, FOREIGN_VID)]
    return {
        (port, frame): forward(chip, port, frame)
        for port in ALL_PORTS
        for frame in (frames if port != CPU_PORT else [()])
    }
