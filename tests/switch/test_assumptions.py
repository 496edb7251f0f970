"""What our tables rest on: every assumption of the model turned round, and what then goes wrong with which table.

Nobody has seen the chip do any of it, so this is what to look at first on a real one; docs/guide/unverified.md says the
same for people. `FINDINGS` is the whole of it: what is not named there stays as it should be.
"""

from collections.abc import Iterable, Mapping
from functools import cache

import pytest

from hardware.jl6108 import tables as registers
from hardware.jl6108.isolation import only_uplink
from hardware.jl6108.numbering import ALL_PORTS, core_mask, core_port
from hardware.jl6108.recipes import NOWHERE_VID, ChipVlans, translate
from hardware.jl6108.vlans import CLOSED
from hardware.simulator import net
from hardware.simulator.switch import Jl6108Model
from hardware.simulator.switch_assumptions import ASSUMPTIONS
from hardware.vlan import CPU_PORT, FRONT_PORTS, Accepts, PortRule, Recipe, Vlan, VlanTable, refusals
from switch.steps import steps
from tests.hardware.jl6108.pipeline import by_802_1q
from tests.switch.tables import CONTROLLER, FOREIGN_VID, FRESH_PORTS, UPLINK, T, U, states

PLANS = {
    "access": VlanTable(
        (Vlan(1, "", {CONTROLLER: U, UPLINK: U}), Vlan(10, "", {1: U, 2: U}), Vlan(20, "", {3: U, 4: U})), 1
    ),
    "trunk": VlanTable(  # the uplink is in three of four VLANs, slot 3 in two of them
        (
            Vlan(1, "", {CONTROLLER: U, UPLINK: T}),
            Vlan(10, "", {1: U, 2: U, UPLINK: T}),
            Vlan(20, "", {3: U, 4: U, 5: T, UPLINK: T}),
            Vlan(30, "", {5: T, 6: U}),
        ),
        1,
    ),
    "native": VlanTable(  # the uplink has VLAN 1 untagged beside tagged ones
        (
            Vlan(1, "", {CONTROLLER: U, UPLINK: U}),
            Vlan(10, "", {1: U, 2: U, UPLINK: T}),
            Vlan(20, "", {3: U, UPLINK: T}),
        ),
        1,
    ),
    "shared": VlanTable(  # slots that hear the uplink and not one another, without any tag
        (
            Vlan(1, "", {CONTROLLER: U, UPLINK: U}),
            Vlan(10, "", {1: U, UPLINK: U}),
            Vlan(20, "", {2: U, UPLINK: U}),
            Vlan(30, "", {1: U, 2: U, CONTROLLER: U, UPLINK: U}),
        ),
        1,
        {port: PortRule(vid, Accepts.UNTAGGED) for port, vid in ((1, 10), (2, 20), (UPLINK, 30), (CONTROLLER, 1))},
    ),
    "moved": VlanTable((Vlan(1, "", {CONTROLLER: U, UPLINK: U}), Vlan(10, "", {1: U, 3: U, 5: U})), 1),
    "apart": VlanTable((Vlan(1, "", dict.fromkeys(FRONT_PORTS, U)),), 1),  # one VLAN, slots isolated from one another
    "admits all": VlanTable(
        (Vlan(1, "", {CONTROLLER: U, UPLINK: T}), Vlan(10, "", {1: U, 2: U, UPLINK: T})),
        1,
        {1: PortRule(10, Accepts.ALL), UPLINK: PortRule(1, Accepts.ALL)},
    ),
}
ALTERNATIVES = [(name, value) for name, one in ASSUMPTIONS.items() for value in one.values[1:]]
BASELINE, CANONICAL = Recipe.BASELINE, Recipe.CANONICAL

# opens: a frame passes between two ports that share no VLAN, or are kept apart
# strays: a frame passes between ports that share a VLAN, but this frame is not to
# loses: a frame does not arrive
# retags: a frame arrives with other tags or another priority
# pages: any of these at the chip's own port, behind which its web pages are
# starves: who is not in a VLAN can draw frames away from a device in it, by sending with its address
# on the way: while a plan is written, a frame passes that neither table lets through
FINDINGS: dict[tuple[str, str], dict[Recipe, dict[str, str]]] = {
    # The panel's ports are the chip's in the other order: everything is at the wrong slot.
    ("port-numbers", "reversed"): {
        BASELINE: {
            "access": "loses, opens, pages",
            "trunk": "loses, opens, pages, retags, strays",
            "native": "loses, opens, pages, strays",
            "shared": "loses, opens, pages",
            "moved": "loses, opens, pages",
            "apart": "loses, opens",
        },
        CANONICAL: {
            "access": "loses, opens, pages",
            "trunk": "loses, opens, pages, retags, strays",
            "native": "loses, opens, pages, strays",
            "shared": "loses, opens, pages",
            "moved": "loses, opens, pages",
            "apart": "loses, opens",
            "admits all": "loses, opens, pages, retags, strays",
        },
    },
    # A port that takes in tagged frames reaches VLANs that it is not in. Access ports do not: their filter sees to it.
    ("member-check", "absent"): {
        BASELINE: {"trunk": "on the way, opens, pages, starves, strays"},
        CANONICAL: dict.fromkeys(("trunk", "admits all"), "opens, pages, starves, strays"),
    },
    # A frame with a service tag is one without a tag, and goes where its port's own VLAN goes; the filter misses it.
    ("known-tpids", "c-only"): {
        BASELINE: {
            "access": "pages, strays",
            "trunk": "loses, pages, strays",
            "native": "loses, pages, retags, strays",
            "shared": "pages, strays",
            "moved": "pages, strays",
            "apart": "pages, strays",
        },
        CANONICAL: {
            "access": "pages, strays",
            "trunk": "loses, pages, strays",
            "native": "loses, pages, retags, strays",
            "shared": "pages, strays",
            "moved": "pages, strays",
            "apart": "pages, strays",
            "admits all": "loses, pages, retags, strays",
        },
    },
    # The canonical recipe takes tags off before it asks which VLAN they named.
    ("classified-by", "source-op"): {
        CANONICAL: dict.fromkeys(("trunk", "native", "admits all"), "loses, pages, strays"),
    },
    ("table-op", "replaces"): {
        CANONICAL: {"trunk": "pages, retags", "native": "retags", "admits all": "pages, retags"},
    },
    # The baseline recipe takes a tag off frames that have none in one place only: the uplink's untagged VLAN.
    ("pop-untagged", "drop"): {
        BASELINE: {"native": "loses, pages"},
        CANONICAL: dict.fromkeys(PLANS, "loses, pages"),
    },
    # What the canonical recipe does to priorities, whichever it is: here they are kept.
    ("selectors", "received"): {
        CANONICAL: {"trunk": "retags", "admits all": "retags"},
    },
    # Only where tagged frames are taken in.
    ("learning", "before-check"): {
        BASELINE: {"trunk": "starves"},
        CANONICAL: {"trunk": "starves", "admits all": "starves"},
    },
    # The switch's own pages are lost with every table, until it is undone.
    ("cpu-port", "ignores"): {
        BASELINE: {plan: "pages" for plan in PLANS if plan != "admits all"},
        CANONICAL: dict.fromkeys(PLANS, "pages"),
    },
}

Way = tuple[int, tuple[net.Tag, ...], int]
Ways = dict[Way, tuple[net.Tag, ...]]


# A chip that holds a table, past the bus


def holding(table: VlanTable, recipe: Recipe, assumed: Mapping[str, str] | None = None) -> Jl6108Model:
    chip = net.linked_switch(assumed)
    closed = dict.fromkeys((0, 1, 10, 20, 30, FOREIGN_VID, NOWHERE_VID), CLOSED)
    put(chip, ChipVlans({}, {}), ChipVlans(closed, {}))
    put(chip, ChipVlans({}, {}), translate(table, FRESH_PORTS, recipe=recipe))
    if table is PLANS["apart"]:
        for port, sources in only_uplink(UPLINK).items():
            chip.memory.write(registers.ISOLATION.at(core_port(port)), [core_mask(sources) << 18])
    return chip


def put(chip: Jl6108Model, before: ChipVlans, after: ChipVlans) -> None:
    """Write what differs."""
    for vid in {*before.entries, *after.entries}:
        if before.entries.get(vid) != after.entry(vid):
            chip.memory.write(registers.VLAN.at(vid), list(after.entry(vid).words))
    for port, tables in after.ports.items():
        if before.ports.get(port) != tables:
            for entry in (tables.source, tables.egress, tables.frame_filter):
                chip.memory.write(entry.register.at(core_port(port)), list(entry.words))


def frames(table: VlanTable) -> list[tuple[net.Tag, ...]]:
    """Frames without a tag, with one of every VID and kind and with two."""
    vids = [vlan.vid for vlan in table.vlans]
    made = [(), *((net.Tag(vid),) for vid in (0, FOREIGN_VID, *vids)), (net.Tag(0, 5),)]
    for vid in vids:
        made += [(net.Tag(vid, 5),), (net.Tag(vid, tpid=net.S_TAG),)]
        made += [(net.Tag(vid), net.Tag(FOREIGN_VID)), (net.Tag(FOREIGN_VID), net.Tag(vid))]
    return [*made, (net.Tag(vids[0]), net.Tag(vids[-1])), (net.Tag(vids[-1]), net.Tag(vids[0]))]


def ways(chip: Jl6108Model, sent: Iterable[tuple[net.Tag, ...]]) -> Ways:
    """Where broadcasts leave, and with which tags."""
    return {
        (port, tags, out): left.tags
        for port in ALL_PORTS
        for tags in (sent if port != CPU_PORT else [()])
        for out, left in net.forward(chip, port, net.Frame(tags))
    }


@cache
def ways_as_assumed(table: VlanTable, recipe: Recipe) -> Ways:
    return ways(holding(table, recipe), frames(table))


def starved(chip: Jl6108Model, table: VlanTable) -> bool:
    """Whether a device loses frames to somebody outside its VLAN who sends with its address."""
    for vlan in table.vlans:
        mine = [port for port in sorted(vlan.members) if vlan.members[port] is T or table.rules[port].pvid == vlan.vid]
        for victim in mine:
            address = 0x020000000100 + victim
            net.forward(chip, victim, net.Frame(_tags(vlan, victim), src=address))
            for outsider in set(FRONT_PORTS) - set(vlan.members):
                net.forward(chip, outsider, net.Frame((net.Tag(vlan.vid),), src=address))
            for port in set(mine) - {victim}:
                sent = net.Frame(_tags(vlan, port), dst=address, src=0x020000000200 + port)
                if victim not in [out for out, _ in net.forward(chip, port, sent)] and not apart(table, port, victim):
                    return True
    return False


def _tags(vlan: Vlan, port: int) -> tuple[net.Tag, ...]:
    return (net.Tag(vlan.vid),) if vlan.members[port] is T else ()


def apart(table: VlanTable, one: int, other: int) -> bool:
    return table is PLANS["apart"] and not {one, other} & {UPLINK, CPU_PORT}


def harms(table: VlanTable, recipe: Recipe, assumed: Mapping[str, str]) -> set[str]:
    """What goes wrong with a table that was right as the model takes it."""
    right, found = ways_as_assumed(table, recipe), ways(holding(table, recipe, assumed), frames(table))
    connected = {(port, out) for port, _, out in right}
    kinds = [(way, "strays" if (way[0], way[2]) in connected else "opens") for way in found.keys() - right.keys()]
    kinds += [(way, "loses") for way in right.keys() - found.keys()]
    kinds += [(way, "retags") for way in right.keys() & found.keys() if right[way] != found[way]]
    made = {"pages" if CPU_PORT in (way[0], way[2]) else kind for way, kind in kinds}
    if starved(holding(table, recipe, assumed), table) and "loses" not in made:
        made.add("starves")
    if table is PLANS["trunk"] and opened_on_the_way(recipe, assumed):
        made.add("on the way")
    return made


def opened_on_the_way(recipe: Recipe, assumed: Mapping[str, str]) -> bool:
    """Whether a frame passes in between that passes neither before nor after, on the way to a trunk and back."""
    sent = [(), *((net.Tag(vlan.vid),) for vlan in PLANS["trunk"].vlans)]
    for one, other in ((PLANS["trunk"], PLANS["moved"]), (PLANS["moved"], PLANS["trunk"])):
        before, after = (translate(table, FRESH_PORTS, recipe=recipe) for table in (one, other))
        chip = holding(one, recipe, assumed)
        seen, last = [], before
        for state in states(before, steps(before, after)):
            put(chip, last, state)
            seen.append(set(ways(chip, sent).items()))
            last = state
        if any(one - seen[0] - seen[-1] for one in seen):
            return True
    return False


def test_every_assumption_of_the_model_has_an_alternative_that_is_tried() -> None:
    assert {name for name, _ in ALTERNATIVES} == set(ASSUMPTIONS)
    assert set(FINDINGS) <= set(ALTERNATIVES)


@pytest.mark.parametrize("recipe", Recipe)
@pytest.mark.parametrize("plan", PLANS)
def test_as_the_model_takes_it_every_table_does_what_802_1q_says(plan: str, recipe: Recipe) -> None:
    table = PLANS[plan]
    if refusals(table, recipe):
        assert (plan, recipe) == ("admits all", BASELINE)
        return
    chip = holding(table, recipe)
    for port in ALL_PORTS:
        for tags in frames(table) if port != CPU_PORT else [()]:
            if any(tag.tpid == net.S_TAG or not tag.vid for tag in tags):
                continue  # no frames of ours; what becomes of them is compared below
            left = {out: tuple(tag.vid for tag in way) for (_, _, out), way in ways_from(chip, port, tags)}
            right = by_802_1q(table, port, tuple(tag.vid for tag in tags))
            assert left == {out: vids for out, vids in right.items() if not apart(table, port, out)}, (port, tags)
    assert not starved(holding(table, recipe), table)


@pytest.mark.parametrize("recipe", Recipe)
def test_as_the_model_takes_it_nothing_opens_on_the_way(recipe: Recipe) -> None:
    assert not opened_on_the_way(recipe, {})


def ways_from(chip: Jl6108Model, port: int, tags: tuple[net.Tag, ...]) -> list[tuple[Way, tuple[net.Tag, ...]]]:
    return [((port, tags, out), left.tags) for out, left in net.forward(chip, port, net.Frame(tags))]


@pytest.mark.parametrize(("name", "value"), ALTERNATIVES)
def test_if_it_is_otherwise_these_tables_break_and_no_others(name: str, value: str) -> None:
    found: dict[Recipe, dict[str, str]] = {}
    for recipe in Recipe:
        for plan, table in PLANS.items():
            made = set() if refusals(table, recipe) else harms(table, recipe, {name: value})
            if made:
                found.setdefault(recipe, {})[plan] = ", ".join(sorted(made))
    assert found == FINDINGS.get((name, value), {})
