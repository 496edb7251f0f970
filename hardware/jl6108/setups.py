"""From a whole setup of the switch to what the JL6108 holds for it, and back: `recipes` for what is beside VLANs. Pure.

Source: sections 6 (isolation), 7 (links) and 9 (mirror) of our register reference.
"""

from collections.abc import Mapping
from dataclasses import replace

from hardware.jl6108.link_settings import SPEEDS, LinkSettings
from hardware.jl6108.mirror import OutputMirror
from hardware.jl6108.numbering import ALL_PORTS, core_port, ports_in
from hardware.jl6108.ports import Ability, Pause
from hardware.jl6108.recipes import ChipVlans, interpret, translate
from hardware.jl6108.vlans import PortTables
from hardware.switch_errors import SetupInvalid
from hardware.switch_setup import FlowControl, Mirror, PortSetup, SwitchSetup
from hardware.vlan import CPU_PORT, FRONT_PORTS, Recipe

#: A port that offers these negotiates the best that both sides can; half duplex is neither asked for nor taken away.
_BEST = frozenset((Ability.FULL_10, Ability.FULL_100, Ability.FULL_1000))
_OFFERS = {
    (10, False): Ability.HALF_10,
    (10, True): Ability.FULL_10,
    (100, False): Ability.HALF_100,
    (100, True): Ability.FULL_100,
    (1000, True): Ability.FULL_1000,
}
_PAUSES = {FlowControl.AUTO: None, FlowControl.ON: Pause(True, True), FlowControl.OFF: Pause(False, False)}


def translate_setup(setup: SwitchSetup, running: ChipVlans, recipe: Recipe = Recipe.BASELINE) -> ChipVlans:
    """What the chip is to hold for `setup`; `running` is what it holds now.

    Of isolation, mirroring and links, the ports that `running` names. Raises what `recipes.translate` does.
    """
    vlans = translate(setup.table, running.ports, running.entries, recipe)
    mirror = setup.mirror
    entering, leaving = (mirror.entering, mirror.leaving) if mirror else (frozenset(), frozenset())
    to = mirror.to if mirror else 0
    ports = {
        port: _mirrored(tables, to if port in entering else None) if running.output_mirrors else tables
        for port, tables in vlans.ports.items()
    }
    return ChipVlans(
        vlans.entries,
        ports,
        {port: _blocked(setup, port) for port in running.isolation},
        {port: _copied(one, to if port in leaving else None) for port, one in running.output_mirrors.items()},
        {port: _link(setup.ports[port], link) for port, link in running.links.items()},
    )


def interpret_setup(chip: ChipVlans, names: Mapping[int, str] | None = None) -> SwitchSetup | None:
    """The setup that the chip holds; None if no setup of ours would be written that way.

    What it does not speak of is taken for usual.
    """
    held = interpret(chip, names)
    if held is None:
        return None
    table, recipe = held
    try:
        links = {port: _port_setup(link) for port, link in chip.links.items()}
        setup = SwitchSetup(table, links, _apart(chip), _mirror(chip))
    except SetupInvalid:
        return None
    wanted = translate_setup(setup, chip, recipe)
    return setup if replace(wanted, entries=chip.entries) == chip else None


# Isolation


def _blocked(setup: SwitchSetup, port: int) -> frozenset[int]:
    """The ports whose frames do not leave at `port`: both ways alike, the switch's own port none of them."""
    return frozenset(other for other in FRONT_PORTS if setup.are_apart(port, other))


def _apart(chip: ChipVlans) -> frozenset[tuple[int, int]]:
    """One way is enough to be told; that it is not both ways shows in the comparison."""
    return frozenset(
        (min(port, other), max(port, other))
        for port, others in chip.isolation.items()
        for other in others
        if CPU_PORT not in (port, other)
    )


# Mirror


def is_mirrored(tables: PortTables) -> bool:
    """Whether what enters a port is copied."""
    return bool(tables.source["mirrored"])


def unmirrored(tables: PortTables) -> PortTables:
    """The same tables of a port, but nothing that enters it is copied. No other bit changes."""
    return replace(tables, source=tables.source.replace(mirrored=0))


def mirrors_to(chip: ChipVlans) -> dict[int, tuple[int | None, int | None]]:
    """For each port, where copies of what enters it and of what leaves it go; None for nowhere.

    A port that the chip has not, which somebody else may have set, is 0.
    """
    leaving = {port: one["mirror_to"] if one["mirrored"] else None for port, one in chip.output_mirrors.items()}
    entering = {port: one.source["mirror_to"] if is_mirrored(one) else None for port, one in chip.ports.items()}
    return {port: (_port_of(entering[port]), _port_of(leaving.get(port))) for port in ALL_PORTS}


def _port_of(core: int | None) -> int | None:
    return None if core is None else next(iter(ports_in(1 << core)), 0)


def _mirrored(tables: PortTables, to: int | None) -> PortTables:
    if to is None:
        # Where it went is forgotten too, but bits that mean nothing are not written for their own sake.
        off = tables.source.replace(mirrored=0, mirror_to=0)
        return replace(tables, source=off) if is_mirrored(tables) else tables
    return replace(tables, source=tables.source.replace(mirrored=1, mirror_to=core_port(to)))


def _copied(entry: OutputMirror, to: int | None) -> OutputMirror:
    if to is None:
        return entry.replace(mirrored=0, mirror_to=0) if entry["mirrored"] else entry
    return entry.replace(mirrored=1, mirror_to=core_port(to))


def _mirror(chip: ChipVlans) -> Mirror | None:
    """Raises SetupInvalid where copies go to several ports, or come from or go to one that is not at the front."""
    ways = mirrors_to(chip)
    targets = {to for both in ways.values() for to in both if to is not None}
    if not targets:
        return None
    if len(targets) > 1:
        raise SetupInvalid("Copies go to more than one port.")
    entering, leaving = (frozenset(port for port, both in ways.items() if both[way] is not None) for way in (0, 1))
    return Mirror(targets.pop(), entering, leaving)


# Links


def _link(setup: PortSetup, running: LinkSettings) -> LinkSettings:
    forced, offers, pause = None, running.offers, _PAUSES[setup.flow_control]
    if not setup.negotiates and setup.mbps is not None:
        forced = (setup.mbps, setup.full_duplex)
    elif setup.mbps is not None:
        offers = frozenset({_OFFERS[setup.mbps, setup.full_duplex]})
    elif not offers >= _BEST:
        offers = SPEEDS
    return LinkSettings(setup.enabled, forced, offers, pause, unattended=pause is not None)


def _port_setup(link: LinkSettings) -> PortSetup:
    """The setup of a port that would be written this way, or one that shows in the comparison that none would."""
    flow = next((flow for flow, pause in _PAUSES.items() if pause == link.pause), FlowControl.AUTO)
    if link.forced is not None:
        forced, is_full = link.forced
        return PortSetup(link.enabled, forced, is_full, negotiates=False, flow_control=flow)
    only = [speed for speed, ability in _OFFERS.items() if link.offers == {ability}]
    mbps, full_duplex = only[0] if only else (None, True)
    return PortSetup(link.enabled, mbps, full_duplex, flow_control=flow)
