"""Random VLAN tables and setups, pairs of them, and every state that the chip passes through between two."""

from collections.abc import Iterator, Set
from dataclasses import replace
from functools import cache
from itertools import combinations
from typing import Any

from hypothesis import strategies as st

from hardware.jl6108.link_settings import SPEEDS, LinkSettings
from hardware.jl6108.mirror import OutputMirror
from hardware.jl6108.numbering import ALL_PORTS
from hardware.jl6108.recipes import ChipVlans
from hardware.jl6108.setups import mirrors_to, translate_setup
from hardware.jl6108.vlans import OPEN, EgressPort, FrameFilter, PortTables, SourcePort
from hardware.switch_setup import FlowControl, Mirror, PortSetup, SwitchSetup, every_pair
from hardware.vlan import CPU_PORT, FRONT_PORTS, Accepts, PortRule, Recipe, Tagging, Vlan, VlanTable, refusals
from switch.steps import Step, WriteEntries, WriteIsolation, WriteLink, WriteMirror, WritePort
from tests.hardware.jl6108.pipeline import Frame, forward

U, T = Tagging.UNTAGGED, Tagging.TAGGED
UPLINK, CONTROLLER = 8, 7
#: As the firmware leaves a port: it learns, asks its access list, and takes in frames with one tag at most.
FRESH_PORT = PortTables(SourcePort(0x9 | 0x40000 << 32), EgressPort(0), FrameFilter(0))
FRESH_PORTS = dict.fromkeys(ALL_PORTS, FRESH_PORT)
#: As the reset image has it: nobody is kept apart, nothing copied, every port negotiates everything.
FRESH_LINK = LinkSettings(True, None, SPEEDS, None, unattended=False)
BESIDE = (
    dict.fromkeys(ALL_PORTS, frozenset[int]()),
    dict.fromkeys(ALL_PORTS, OutputMirror(0)),
    dict.fromkeys(FRONT_PORTS, FRESH_LINK),
)
#: A chip after reset.
RESET = ChipVlans(dict.fromkeys(range(4096), OPEN), FRESH_PORTS, *BESIDE)
#: The same with all entries closed: what plans are tried on where 4,096 entries would only take time.
CLOSED_CHIP = ChipVlans({}, FRESH_PORTS, *BESIDE)
VIDS = (1, 2, 3, 4, 20)
FOREIGN_VID = 77

Members = dict[int, dict[int, Tagging]]


def flat(*vlans: Vlan, management: int = 1) -> VlanTable:
    """VLAN 1 untagged on every port, and others."""
    return VlanTable((Vlan(1, "management", dict.fromkeys(FRONT_PORTS, U)), *vlans), management)


# Strategies are made once for whatever they choose from: made anew for each draw, that takes longer than the drawing.


@cache
def one_of(options: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    return st.sampled_from(options)


@cache
def some_of(options: tuple[Any, ...], at_most: int | None = None) -> st.SearchStrategy[frozenset[Any]]:
    return st.frozensets(one_of(options), max_size=at_most)


@cache
def tables(recipe: Recipe = Recipe.BASELINE) -> st.SearchStrategy[VlanTable]:
    """Any table of one to four VLANs that the chip can do by that recipe."""
    return st.composite(_table)(recipe)


@cache
def pairs(recipe: Recipe = Recipe.BASELINE) -> st.SearchStrategy[tuple[VlanTable, VlanTable]]:
    """Two tables: unrelated ones, or one with a few of its ports otherwise."""
    return st.composite(_pair)(recipe)


@cache
def setups(recipe: Recipe = Recipe.BASELINE) -> st.SearchStrategy[SwitchSetup]:
    """Any setup: a table, links, a few pairs apart or all of them, perhaps a mirror."""
    return st.composite(lambda draw: _around(draw, _table(draw, recipe)))()


@cache
def setup_pairs(recipe: Recipe = Recipe.BASELINE) -> st.SearchStrategy[tuple[SwitchSetup, SwitchSetup]]:
    """Two setups, of which any part may be the same."""
    return st.composite(_setup_pair)(recipe)


SOME_VIDS = st.lists(st.sampled_from(VIDS), min_size=1, max_size=4, unique=True)
SOME_PORTS = st.sets(st.sampled_from(FRONT_PORTS), min_size=1, max_size=3)
KINDS = one_of(("none", "access", "access", "trunk", "trunk", "mixed"))


def _table(draw: st.DrawFn, recipe: Recipe) -> VlanTable:
    vids = tuple(draw(SOME_VIDS))
    members: Members = {vid: {} for vid in vids}
    rules = {port: _port(draw, port, members, vids) for port in FRONT_PORTS}
    return _made(members, rules, draw(one_of(vids)), recipe)


def _pair(draw: st.DrawFn, recipe: Recipe) -> tuple[VlanTable, VlanTable]:
    before = _table(draw, recipe)
    if draw(st.booleans()):
        return before, _table(draw, recipe)
    members: Members = {vlan.vid: dict(vlan.members) for vlan in before.vlans}
    if len(members) < 4:
        members.setdefault(draw(one_of(VIDS)), {})
    rules = dict(before.rules)
    for port in draw(SOME_PORTS):
        for vlan in members.values():
            vlan.pop(port, None)
        rules[port] = _port(draw, port, members, tuple(members))
    return before, _made(members, rules, before.management_vid, recipe)


def _port(draw: st.DrawFn, port: int, members: Members, vids: tuple[int, ...]) -> PortRule:
    kind = draw(KINDS)
    if kind == "none":
        return PortRule()
    if kind in ("access", "mixed"):
        members[draw(one_of(vids))][port] = U
    if kind in ("trunk", "mixed"):
        for vid in draw(some_of(vids)):
            members[vid].setdefault(port, T)
    untagged = [vid for vid in vids if members[vid].get(port) is U]
    tagged = [vid for vid in vids if members[vid].get(port) is T]
    if not untagged:
        return PortRule()
    return PortRule(untagged[0], draw(one_of((Accepts.ALL, Accepts.UNTAGGED))) if tagged else Accepts.UNTAGGED)


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


OFF = PortSetup(enabled=False)
#: Off or not is what decides about frames; how a link is made does not.
LINKS = st.sampled_from(
    [
        *[OFF] * 5,
        PortSetup(flow_control=FlowControl.ON),
        PortSetup(mbps=100, flow_control=FlowControl.OFF),
        PortSetup(mbps=10, full_duplex=False, negotiates=False, flow_control=FlowControl.OFF),
        PortSetup(mbps=1000),
    ]
)
SOME_LINKS = st.dictionaries(st.sampled_from(FRONT_PORTS), LINKS, max_size=3)
APART = st.one_of(
    st.just(every_pair(range(1, 7))), st.frozensets(st.sampled_from([*combinations(FRONT_PORTS, 2)]), max_size=4)
)


def _setup_pair(draw: st.DrawFn, recipe: Recipe) -> tuple[SwitchSetup, SwitchSetup]:
    table, other = _pair(draw, recipe)
    before, after = _around(draw, table), _around(draw, table if draw(one_of((True, False, False))) else other)
    kept = draw(some_of(("ports", "apart", "mirror")))
    return before, replace(after, **{name: getattr(before, name) for name in kept})


def _around(draw: st.DrawFn, table: VlanTable) -> SwitchSetup:
    apart, links = draw(APART), draw(SOME_LINKS)
    return SwitchSetup(table, links, apart, _mirror(draw) if draw(st.booleans()) else None)


def _mirror(draw: st.DrawFn) -> Mirror:
    to = draw(one_of(FRONT_PORTS))
    others = tuple(port for port in FRONT_PORTS if port != to)
    entering, leaving = (draw(some_of(others, 2)) for _ in range(2))
    return Mirror(to, entering or frozenset({draw(one_of(others))}), leaving)


def chip_of(wanted: SwitchSetup | VlanTable, recipe: Recipe = Recipe.BASELINE) -> ChipVlans:
    setup = wanted if isinstance(wanted, SwitchSetup) else SwitchSetup(wanted)
    return translate_setup(setup, CLOSED_CHIP, recipe)


def states(running: ChipVlans, steps: tuple[Step, ...]) -> Iterator[ChipVlans]:
    """What the chip holds before the first write and after each, in the order in which the driver writes."""
    chip = running
    yield chip
    for step in steps:
        made = list(_written(chip, step))
        yield from made
        chip = made[-1]


def _written(chip: ChipVlans, step: Step) -> Iterator[ChipVlans]:
    """The chip after each write of a step."""
    match step:
        case WriteEntries():
            for vid in sorted(step.entries, key=lambda vid: (vid == 0, vid)):
                chip = replace(chip, entries={**chip.entries, vid: step.entries[vid]})
                yield chip
        case WritePort():
            was, to = chip.ports[step.port], step.wanted
            assert was == step.running
            between = PortTables(was.source, to.egress, was.frame_filter)
            for half in (between, replace(between, source=to.source), to):
                yield replace(chip, ports={**chip.ports, step.port: half})
        case WriteIsolation():
            for port, sources in step.blocked.items():
                chip = replace(chip, isolation={**chip.isolation, port: sources})
                yield chip
        case WriteMirror():
            was, to = chip.ports[step.port], step.wanted
            assert (was, was.egress, was.frame_filter) == (step.running, to.egress, to.frame_filter)
            chip = replace(chip, ports={**chip.ports, step.port: to})
            yield chip
            yield replace(chip, output_mirrors={**chip.output_mirrors, step.port: step.output})
        case WriteLink():
            assert chip.links[step.port] == step.running
            yield replace(chip, links={**chip.links, step.port: step.wanted})


def live(chip: ChipVlans) -> dict[int, int]:
    """The entries that are not closed."""
    return {vid: entry.value for vid, entry in chip.entries.items() if entry.value}


def same(one: ChipVlans, other: ChipVlans) -> bool:
    return live(one) == live(other) and replace(one, entries={}) == replace(other, entries={})


#: A port, or (port, by whose mirror) where a copy leaves.
Exit = int | tuple[int, str]
Ways = dict[tuple[int, Frame], dict[Exit, Frame]]
#: By a port that is copied: where what enters it goes, and what leaves it.
Mirrors = dict[int, tuple[int | None, int | None]]


def passes(chip: ChipVlans, off: Set[int], mirrors: Mirrors, port: int, frame: Frame) -> dict[Exit, Frame]:
    """Where a frame leaves, and its copies: as `forward` says, but for links that are off, isolation and mirrors.

    A copy of what enters is made of whatever enters, a copy of what leaves as it leaves (section 9, as inferred).
    """
    if port in off:
        return {}
    left: dict[Exit, Frame] = {
        other: out
        for other, out in forward(chip, port, frame).items()
        if other not in off and port not in chip.isolation.get(other, ())
    }
    copies: dict[Exit, Frame] = {}
    for source, (entering, leaving) in mirrors.items():
        if entering is not None and source == port:
            copies[entering, f"enters {source}"] = frame
        if leaving is not None and source in left:
            copies[leaving, f"leaves {source}"] = left[source]
    return {**left, **{exit: out for exit, out in copies.items() if exit[0] not in off}}  # type: ignore[index]


def ways(chip: ChipVlans) -> Ways:
    """Where every frame leaves, and as what: untagged ones, ones of every VID, and some with two tags."""
    frames: list[Frame] = [(), (0,), (FOREIGN_VID,), *((vid,) for vid in VIDS), (1, 20), (20, 1), (2, FOREIGN_VID)]
    off = {port for port, link in chip.links.items() if not link.enabled}
    mirrors = {port: to for port, to in mirrors_to(chip).items() if to != (None, None)}
    return {
        (port, frame): passes(chip, off, mirrors, port, frame)
        for port in ALL_PORTS
        for frame in (frames if port != CPU_PORT else [()])
    }
