"""From what the switch holds to what it is to be: the writes, their meaning, what is unsafe about them. Pure."""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hardware.jl6108.recipes import ChipVlans, interpret
from hardware.jl6108.setups import interpret_setup, translate_setup
from hardware.switch_setup import SwitchSetup
from hardware.vlan import CPU_PORT, Recipe, VlanTable
from operations.refusals import UnsafePlan
from switch import wording
from switch.documents import MOST_VLANS, Wiring, chip_json, to_document
from switch.steps import Step, changing_ports, cut_off, dropping, narrowed, steps


@dataclass(frozen=True)
class Unsafe:
    """Why a plan is not carried out just like that. `can_be_overridden`: by an administrator who names the code.

    `lasts`: it is so afterwards as well, and not only while the plan is carried out.
    """

    code: str
    words: str
    can_be_overridden: bool = True
    lasts: bool = True


@dataclass(frozen=True)
class Plan:
    """What a commit would do. `isolated` are the ports that are cut off for the length of the apply."""

    wanted: ChipVlans
    steps: tuple[Step, ...]
    words: tuple[str, ...]
    unsafe: tuple[Unsafe, ...]
    isolated: tuple[int, ...]
    fingerprint: str

    @property
    def is_empty(self) -> bool:
        return not self.steps


def plan(
    running: ChipVlans,
    desired: SwitchSetup | VlanTable,
    wiring: Wiring,
    *,
    recipe: Recipe = Recipe.BASELINE,
    scan: int = 0,
    names: Mapping[int, str] | None = None,
) -> Plan:
    """What takes the chip from `running` to `desired`. `running` must have every entry that is not closed.

    `names` are what people called the VLANs that run now; `scan` is the number of the full scan on which the knowledge
    of the other entries rests. A table alone is a setup with everything else as usual. Beside the VLANs, only that is
    planned of which `running` speaks. Raises VlanTableRefused with every reason why the chip cannot do it.
    """
    setup = desired if isinstance(desired, SwitchSetup) else SwitchSetup(desired)
    wanted = translate_setup(setup, running, recipe)
    table = held_table(running, names)
    return Plan(
        wanted,
        steps(running, wanted),
        wording.differences(held_setup(running, names), setup, wiring, table=table),
        _unsafe(running, table, wanted, setup, wiring),
        tuple(sorted(cut_off(running, wanted) - {CPU_PORT})),
        fingerprint(running, wanted, to_document(setup, wiring), scan),
    )


def held_setup(chip: ChipVlans, names: Mapping[int, str] | None = None) -> SwitchSetup | None:
    """The setup that the chip holds; None if none of ours would be written that way, as after a reset."""
    return interpret_setup(chip, names) if len(chip.entries) <= MOST_VLANS else None


def held_table(chip: ChipVlans, names: Mapping[int, str] | None = None) -> VlanTable | None:
    """Its VLANs alone, which may be ours where the rest is not."""
    held = interpret(chip, names) if len(chip.entries) <= MOST_VLANS else None
    return held[0] if held else None


def raise_if_unsafe(made: Plan, overrides: Collection[str] = ()) -> None:
    """Raises UnsafePlan with every reason that is not overridden by its code."""
    left = [one for one in made.unsafe if not one.can_be_overridden or one.code not in overrides]
    if left:
        reasons = [{"code": one.code, "words": one.words, "overridable": one.can_be_overridden} for one in left]
        raise UnsafePlan(" ".join(one.words for one in left), reasons=reasons)


# What is unsafe


def _unsafe(
    running: ChipVlans, before: VlanTable | None, wanted: ChipVlans, desired: SwitchSetup, wiring: Wiring
) -> tuple[Unsafe, ...]:
    table = desired.table
    vid, found = table.management_vid, [*_empty(table)]
    front = table.ports(vid) - {CPU_PORT}
    if not front:
        words = f"No port would be in VLAN {vid}, the management VLAN: nobody could reach the switch any more."
        return (Unsafe("management-nowhere", words, can_be_overridden=False), *found)
    for port, code in ((wiring.uplink, "uplink-cut"), (wiring.controller, "controller-cut")):
        if port not in front:
            words = f"{wiring.capital(port)} would not be in VLAN {vid}, the management VLAN."
            found.append(Unsafe(code, f"{words} {_CUT[code]}"))
    cut = _cut_from_management(running, wanted, vid)
    carrying = {wiring.uplink: "uplink-changes", wiring.controller: "controller-changes", CPU_PORT: "pages-change"}
    for port, code in carrying.items():
        if port in cut:
            found.append(Unsafe(code, _changing_words(port, before, table, wiring), lasts=False))
    return (*found, *_unsafe_ways(desired, wiring), *_unsafe_links(running, wanted, desired, wiring))


def _unsafe_ways(desired: SwitchSetup, wiring: Wiring) -> list[Unsafe]:
    """What keeps people apart from this portal, or sends them what they did not ask for."""
    found = []
    if desired.are_apart(wiring.uplink, wiring.controller):
        names = f"{wiring.capital(wiring.controller)} and {wiring.words(wiring.uplink)}"
        found.append(Unsafe("management-apart", f"{names} would be kept apart. {_CUT['uplink-cut']}"))
    mirror = desired.mirror
    for port, name in _ends(wiring).items():
        if mirror is not None and mirror.to == port:
            words = f"{wiring.capital(port)} carries management, and would have to carry all copies as well."
            found.append(Unsafe(f"mirror-to-{name}", words))
    return found


def _unsafe_links(running: ChipVlans, wanted: ChipVlans, desired: SwitchSetup, wiring: Wiring) -> list[Unsafe]:
    """What takes the link from a port that carries management."""
    found = []
    for port, name in _ends(wiring).items():
        if not desired.ports[port].enabled:
            words = f"{wiring.capital(port)}, which carries management, would be switched off. {_CUT[f'{name}-cut']}"
            found.append(Unsafe(f"{name}-off", words))
        elif port in dropping(running, wanted):
            words = f"{wiring.capital(port)} carries management and loses its link for some seconds."
            found.append(Unsafe(f"{name}-link-drops", words, lasts=False))
    return found


def _ends(wiring: Wiring) -> dict[int, str]:
    """The two ports between which people reach this portal."""
    return {wiring.uplink: "uplink", wiring.controller: "controller"}


def _cut_from_management(running: ChipVlans, wanted: ChipVlans, vid: int) -> frozenset[int]:
    """Ports that lose a VLAN of the switch's own pages, now or then, if only while it is applied."""
    changing = changing_ports(running, wanted)
    cut = frozenset(changing)
    for one in {vid, *(held for held, entry in running.entries.items() if CPU_PORT in entry.ports)}:
        before = running.entry(one)
        cut |= before.ports - narrowed(before, wanted.entry(one), changing).ports
    return cut


_CUT = {
    "uplink-cut": "Whoever reaches this portal through the uplink would lose it.",
    "controller-cut": "This portal runs there and would be cut off.",
}


def _changing_words(port: int, before: VlanTable | None, desired: VlanTable, wiring: Wiring) -> str:
    if port == CPU_PORT:
        vid, moves = desired.management_vid, before is not None and before.management_vid != desired.management_vid
        then = f" would be reached through VLAN {vid} from now on, and" if moves else ""
        return f"The switch's own pages{then} are away while the settings of its own port are written."
    ways = [wording.membership(table, port) for table in (before, desired) if table is not None]
    change = f" ({ways[0]} now, {ways[1]} then)" if len(ways) == 2 and ways[0] != ways[1] else ""
    return f"{wiring.capital(port)} carries management and is cut off while its settings are written{change}."


def _empty(desired: VlanTable) -> list[Unsafe]:
    empty = [str(vlan.vid) for vlan in desired.vlans if not vlan.members]
    if not empty or empty == [str(desired.management_vid)]:
        return []
    one = len(empty) == 1
    words = f"VLAN{'' if one else 's'} {' and '.join(empty)} {'has' if one else 'have'} no port at all."
    return [Unsafe("empty-vlan", words)]


# What was shown is what is committed


def fingerprint(running: ChipVlans, wanted: ChipVlans, document: object, scan: int) -> str:
    """16 digits that stand for what was read of the chip, what it is to hold and the names people gave it."""
    content = [chip_json(running), chip_json(wanted), document, scan]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
