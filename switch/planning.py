"""From what the switch holds to what it is to hold: the writes in their order, their meaning, what is unsafe. Pure.

Closing comes first: an entry is narrowed to the ports that stay as they are, then the ports that change are written
while they are in no VLAN, then the entries are opened. So no frame ever takes a way that neither table allows, wherever
it is interrupted.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from hardware.jl6108.numbering import ALL_PORTS, core_mask
from hardware.jl6108.recipes import NOWHERE_VID, ChipVlans, interpret, translate
from hardware.jl6108.vlans import CLOSED, PortTables, VlanEntry
from hardware.vlan import CPU_PORT, Recipe, VlanTable
from operations.refusals import UnsafePlan
from switch import wording
from switch.documents import MOST_VLANS, Wiring, chip_json, to_document

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
    """The tables of one port that differ, while the port is in no VLAN."""

    port: int
    wanted: PortTables
    running: PortTables


Step = WriteEntries | WritePort


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
    desired: VlanTable,
    wiring: Wiring,
    *,
    recipe: Recipe = Recipe.BASELINE,
    scan: int = 0,
    names: Mapping[int, str] | None = None,
) -> Plan:
    """What takes the chip from `running` to `desired`. `running` must have every entry that is not closed.

    `names` are what people called the VLANs that run now; `scan` is the number of the full scan on which the knowledge
    of the other entries rests. Raises VlanTableRefused with every reason why the chip cannot do it.
    """
    wanted = translate(desired, running.ports, running.entries, recipe)
    before = held_table(running, names)
    return Plan(
        wanted,
        steps(running, wanted),
        wording.differences(before, desired, wiring),
        _unsafe(running, before, wanted, desired, wiring),
        tuple(sorted(cut_off(running, wanted) - {CPU_PORT})),
        fingerprint(running, wanted, to_document(desired, wiring), scan),
    )


def held_table(chip: ChipVlans, names: Mapping[int, str] | None = None) -> VlanTable | None:
    """The table that the chip holds; None if none of ours would be written that way, as after a reset."""
    if len(chip.entries) > MOST_VLANS:
        return None
    held = interpret(chip, names)
    return held[0] if held else None


def raise_if_unsafe(made: Plan, overrides: Collection[str] = ()) -> None:
    """Raises UnsafePlan with every reason that is not overridden by its code."""
    left = [one for one in made.unsafe if not one.can_be_overridden or one.code not in overrides]
    if left:
        reasons = [{"code": one.code, "words": one.words, "overridable": one.can_be_overridden} for one in left]
        raise UnsafePlan(" ".join(one.words for one in left), reasons=reasons)


# The writes


def steps(running: ChipVlans, wanted: ChipVlans) -> tuple[Step, ...]:
    """The writes that take the chip from one to the other; empty if it is there already.

    Holds for any two contents, so it is also the way back from whatever an interrupted apply left.
    """
    changing = changing_ports(running, wanted)
    closing: dict[int, VlanEntry] = {}
    opening: dict[int, VlanEntry] = {}
    for vid in named(running, wanted):
        before, after = running.entry(vid), wanted.entry(vid)
        narrowed = _narrowed(before, after, changing)
        if narrowed != before:
            closing[vid] = narrowed
        if narrowed != after:
            opening[vid] = after
    made: list[Step] = [WriteEntries(closing, opens=False)] if closing else []
    made += [WritePort(port, wanted.ports[port], running.ports[port]) for port in changing]
    return (*made, *([WriteEntries(opening, opens=True)] if opening else []))


def changing_ports(running: ChipVlans, wanted: ChipVlans) -> tuple[int, ...]:
    """The ports whose settings are written."""
    return tuple(port for port in ALL_PORTS if running.ports[port] != wanted.ports[port])


def named(*contents: ChipVlans) -> tuple[int, ...]:
    """The VIDs whose entries any of the contents speaks of: those are read back. All others are closed and stay so."""
    return tuple(sorted({vid for one in contents for vid in one.entries} | {CANARY_VID}))


def cut_off(running: ChipVlans, wanted: ChipVlans) -> frozenset[int]:
    """Ports that carry frames now and are kept from a VLAN that they are in before and after, while it is applied."""
    changing = changing_ports(running, wanted)
    cut: frozenset[int] = frozenset()
    for vid in named(running, wanted):
        before, after = running.entry(vid), wanted.entry(vid)
        cut |= before.ports - _narrowed(before, after, changing).ports if after.ports else frozenset()
    return cut | {port for port in changing if any(port in entry.ports for entry in running.entries.values())}


def _narrowed(before: VlanEntry, after: VlanEntry, changing: Iterable[int]) -> VlanEntry:
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


# What is unsafe


def _unsafe(
    running: ChipVlans, before: VlanTable | None, wanted: ChipVlans, desired: VlanTable, wiring: Wiring
) -> tuple[Unsafe, ...]:
    vid, found = desired.management_vid, [*_empty(desired)]
    front = desired.ports(vid) - {CPU_PORT}
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
            found.append(Unsafe(code, _changing_words(port, before, desired, wiring), lasts=False))
    return tuple(found)


def _cut_from_management(running: ChipVlans, wanted: ChipVlans, vid: int) -> frozenset[int]:
    """Ports that lose a VLAN of the switch's own pages, now or then, if only while it is applied."""
    changing = changing_ports(running, wanted)
    cut = frozenset(changing)
    for one in {vid, *(held for held, entry in running.entries.items() if CPU_PORT in entry.ports)}:
        before = running.entry(one)
        cut |= before.ports - _narrowed(before, wanted.entry(one), changing).ports
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
