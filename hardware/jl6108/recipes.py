"""From a VLAN table to what the JL6108's entries and port tables hold, and back. Pure.

Source: section 26 of our register reference, with items 8 to 17 of section 25. A frame passes three operations on its
way (source port, VLAN entry, destination port); `hardware.vlan.carriage` says how each VLAN travels in between.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from hardware.jl6108.layout import Entry
from hardware.jl6108.link_settings import LinkSettings
from hardware.jl6108.mirror import OutputMirror
from hardware.jl6108.numbering import ALL_PORTS, core_mask
from hardware.jl6108.vlans import Choice, PortTables, TagOperation, VlanEntry
from hardware.switch_errors import VlanTableInvalid, VlanTableRefused
from hardware.vlan import CPU_PORT, FRONT_PORTS, Accepts, PortRule, Recipe, Tagging, Vlan, VlanTable, carriage

#: The default VID of a port that puts untagged frames nowhere: never a VLAN in 802.1Q, so its entry is always closed.
NOWHERE_VID = 4095

_SOURCE_PUSH = {"vid_choice": Choice.OWN, "dei_choice": Choice.OWN, "pcp_choice": Choice.OWN, "type_choice": 0}
_NO_CHOICE = {"vid_choice": 0, "dei_choice": 0, "pcp_choice": 0, "type_choice": 0}
_NO_DROPS = {"drop_many_tags": 0, "drop_single_tagged": 0}


@dataclass(frozen=True)
class ChipVlans:
    """What the chip holds, or is to hold: entries by VID, those not named being closed, and the tables of each port.

    Beside the VLANs, by port, where it is spoken of: whose frames do not leave there, where what leaves is copied to,
    and how the port makes its link. Ports that those three do not name stay as they are.
    """

    entries: Mapping[int, VlanEntry] = field(hash=False)
    ports: Mapping[int, PortTables] = field(hash=False)
    isolation: Mapping[int, frozenset[int]] = field(default_factory=dict, hash=False)
    output_mirrors: Mapping[int, OutputMirror] = field(default_factory=dict, hash=False)
    links: Mapping[int, LinkSettings] = field(default_factory=dict, hash=False)

    def entry(self, vid: int) -> VlanEntry:
        return self.entries.get(vid, VlanEntry())


def translate(
    table: VlanTable,
    ports: Mapping[int, PortTables],
    entries: Mapping[int, VlanEntry] | None = None,
    recipe: Recipe = Recipe.BASELINE,
) -> ChipVlans:
    """What the chip is to hold for `table`; `ports` and `entries` are what it holds now.

    Bits that are not about VLANs (learning, access lists, limits on tags, mirroring, policers, spanning tree) are taken
    over from there. Every live VLAN has a learning domain of its own, shared only with VLANs that a port has untagged
    beside it. Raises VlanTableRefused; ValueError if a port is missing.
    """
    if set(ports) != set(ALL_PORTS):
        raise ValueError(f"The tables of ports {', '.join(map(str, ALL_PORTS))} are needed.")
    carried = carriage(table, recipe)
    fids = _fids(table)
    running = entries or {}
    return ChipVlans(
        {vid: _entry(running.get(vid, VlanEntry()), table, vid, fids[vid], carried[vid], recipe) for vid in carried},
        {port: _port(ports[port], table, port, carried, recipe) for port in ALL_PORTS},
    )


def interpret(chip: ChipVlans, names: Mapping[int, str] | None = None) -> tuple[VlanTable, Recipe] | None:
    """The table that the chip holds, and by which recipe; None if no table of ours would be written that way.

    A chip fresh from reset is none: all of its 4,096 entries are open.
    """
    for recipe in Recipe:
        try:
            table = _guess(chip, names or {}, recipe)
            held = translate(table, chip.ports, chip.entries, recipe)
        except (VlanTableInvalid, VlanTableRefused):
            continue
        live = {vid: entry for vid, entry in chip.entries.items() if entry.value}
        if (held.entries, held.ports) == (live, chip.ports):
            return table, recipe
    return None


def _fids(table: VlanTable) -> dict[int, int]:
    """The learning domain of each VLAN: its own VID, or the lowest of those that are untagged at one port with it."""
    fids = {vlan.vid: vlan.vid for vlan in table.vlans}
    for port in FRONT_PORTS:
        together = {fids[vid] for vid in table.vids(port, Tagging.UNTAGGED)}
        fids = {vid: min(together) if fid in together else fid for vid, fid in fids.items()}
    return fids


def _entry(running: VlanEntry, table: VlanTable, vid: int, fid: int, carried: Tagging, recipe: Recipe) -> VlanEntry:
    is_tagged = carried is Tagging.TAGGED
    if recipe is Recipe.CANONICAL and is_tagged:
        # The priority is that of the tag that the frame came with, where it had one.
        tagging = {**_NO_CHOICE, "operation": TagOperation.PUSH, "vid_choice": Choice.OWN, "vid": vid}
    elif recipe is Recipe.BASELINE and not is_tagged:
        tagging = {**_NO_CHOICE, "operation": TagOperation.POP, "vid": 0}
    else:
        tagging = {**_NO_CHOICE, "operation": TagOperation.NONE, "vid": 0}
    return running.replace(members=core_mask(table.ports(vid)), fid=fid, pcp=0, dei=0, **tagging)


def _port(
    running: PortTables, table: VlanTable, port: int, carried: Mapping[int, Tagging], recipe: Recipe
) -> PortTables:
    pvid, accepts = _intake(table, port)
    if recipe is Recipe.CANONICAL:
        source = {**_NO_CHOICE, "operation": TagOperation.POP}
    elif accepts is Accepts.UNTAGGED and pvid is not None and carried[pvid] is Tagging.TAGGED:
        source = {**_SOURCE_PUSH, "operation": TagOperation.PUSH}
    else:
        source = {**_NO_CHOICE, "operation": TagOperation.NONE}
    return PortTables(
        running.source.replace(
            default_vid=NOWHERE_VID if pvid is None else pvid, assignment=0, ignores_vid=0, **source
        ),
        running.egress.replace(
            drop_c_tagged=0, drop_s_tagged=0, drop_untagged=0, **_NO_DROPS, **_egress(table, port, carried)
        ),
        # The CPU sends what it sends; whether it does so with a tag of its own is not known.
        running.frame_filter if port == CPU_PORT else running.frame_filter.replace(**_filter(table, port)),
    )


def _intake(table: VlanTable, port: int) -> tuple[int | None, Accepts]:
    if port == CPU_PORT:
        return table.management_vid, Accepts.UNTAGGED
    return table.rules[port].pvid, table.rules[port].accepts


def _egress(table: VlanTable, port: int, carried: Mapping[int, Tagging]) -> dict[str, int]:
    untagged, tagged = table.vids(port, Tagging.UNTAGGED), table.vids(port, Tagging.TAGGED)
    fields = {**_NO_CHOICE, "operation": TagOperation.NONE, "vid": 0, "pcp": 0, "dei": 0}
    if not tagged and any(carried[vid] is Tagging.TAGGED for vid in untagged):
        fields["operation"] = TagOperation.POP
    elif not untagged and len(tagged) == 1 and carried[tagged[0]] is Tagging.UNTAGGED:
        fields |= {**_SOURCE_PUSH, "operation": TagOperation.PUSH, "vid": tagged[0]}
    return fields


def _filter(table: VlanTable, port: int) -> dict[str, int]:
    accepts = table.rules[port].accepts
    is_member = bool(table.vids(port, Tagging.UNTAGGED) or table.vids(port, Tagging.TAGGED))
    drops_tagged = int(accepts is Accepts.UNTAGGED or not is_member)
    return {
        **{"drop_c_tagged": drops_tagged, "drop_s_tagged": drops_tagged},
        **{"drop_untagged": int(accepts is Accepts.TAGGED or not is_member)},
        **_NO_DROPS,
    }


def _guess(chip: ChipVlans, names: Mapping[int, str], recipe: Recipe) -> VlanTable:
    """The table that the chip would hold if all of it had been written by `recipe`. Raises VlanTableInvalid."""
    members: dict[int, dict[int, Tagging]] = {}
    management = [vid for vid, entry in chip.entries.items() if CPU_PORT in entry.ports]
    for vid, entry in chip.entries.items():
        if entry.value:
            carried = _carried(entry, recipe)
            members[vid] = {port: _leaving(chip.ports[port], carried) for port in entry.ports - {CPU_PORT}}
    rules = {port: _rule(chip.ports[port]) for port in FRONT_PORTS}
    vlans = tuple(Vlan(vid, names.get(vid, ""), ports) for vid, ports in members.items())
    return VlanTable(vlans, management[0] if management else 0, rules)


def _carried(entry: VlanEntry, recipe: Recipe) -> Tagging:
    telling = TagOperation.PUSH if recipe is Recipe.CANONICAL else TagOperation.POP
    is_tagged = (entry["operation"] == telling) == (recipe is Recipe.CANONICAL)
    return Tagging.TAGGED if is_tagged else Tagging.UNTAGGED


def _leaving(port: PortTables, carried: Tagging) -> Tagging:
    changes: dict[int, Tagging] = {TagOperation.POP: Tagging.UNTAGGED, TagOperation.PUSH: Tagging.TAGGED}
    return changes.get(port.egress["operation"], carried)


def _rule(port: PortTables) -> PortRule:
    default = port.source["default_vid"]
    pvid = None if default == NOWHERE_VID else default
    if port.frame_filter["drop_untagged"]:
        return PortRule(pvid, Accepts.TAGGED)
    return PortRule(pvid, Accepts.UNTAGGED if _drops_tagged(port.frame_filter) else Accepts.ALL)


def _drops_tagged(frame_filter: Entry) -> bool:
    return bool(frame_filter["drop_c_tagged"] and frame_filter["drop_s_tagged"])
