"""What one touch of the pages makes of a VLAN table or of the whole setup, and setups to begin with. Pure.

A port that is touched gets the usual rule again: its PVID is its untagged VLAN, and it takes in what it is in.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from hardware.switch_errors import VlanTableInvalid
from hardware.switch_setup import Mirror, PortSetup, SwitchSetup
from hardware.vlan import FIRST_VID, LAST_VID, Accepts, PortRule, Tagging, Vlan, VlanTable
from switch.documents import Wiring

LAB_VID, FIRST_OWN_VID = 10, 100  # those of the patterns: the lab's VLAN, and 100 + slot for a slot's own


def join(table: VlanTable, vid: int, port: int, how: Tagging | None) -> VlanTable:
    """The table with a port in a VLAN that way, or not in it. Raises VlanTableInvalid for a VLAN that is not there.

    A port has one untagged VLAN: becoming untagged in this one, it leaves those in which it was untagged.
    """
    _find(table, vid)
    vlans = tuple(_with_member(vlan, port, how, is_meant=vlan.vid == vid) for vlan in table.vlans)
    return _rebuilt(table, vlans, {port})


def _with_member(vlan: Vlan, port: int, how: Tagging | None, *, is_meant: bool) -> Vlan:
    members = dict(vlan.members)
    if is_meant and how is not None:
        members[port] = how
    elif is_meant or (how is Tagging.UNTAGGED and members.get(port) is Tagging.UNTAGGED):
        members.pop(port, None)
    return replace(vlan, members=members)


def add(table: VlanTable, vid: int, name: str) -> VlanTable:
    """The table with one more VLAN, of no port yet. Raises VlanTableInvalid."""
    return replace(table, vlans=(*table.vlans, Vlan(vid, name)))


def remove(table: VlanTable, vid: int) -> VlanTable:
    """The table without a VLAN. Raises VlanTableInvalid if it is not there or is the management VLAN."""
    gone = _find(table, vid)
    if vid == table.management_vid:
        raise VlanTableInvalid(f"The switch's own pages are in VLAN {vid}; give them another VLAN before it goes.")
    return _rebuilt(table, tuple(vlan for vlan in table.vlans if vlan.vid != vid), set(gone.members))


def rename(table: VlanTable, vid: int, name: str) -> VlanTable:
    """The table with a VLAN called otherwise. Raises VlanTableInvalid."""
    meant = _find(table, vid)
    return replace(table, vlans=tuple(replace(one, name=name) if one is meant else one for one in table.vlans))


def manage(table: VlanTable, vid: int) -> VlanTable:
    """The table with the switch's own pages in another VLAN. Raises VlanTableInvalid if it is not there."""
    return replace(table, management_vid=_find(table, vid).vid)


def rule(table: VlanTable, port: int, pvid: int | None, accepts: Accepts) -> VlanTable:
    """The table with a port taking in frames another way. Raises VlanTableInvalid."""
    return replace(table, rules={**table.rules, port: PortRule(pvid, accepts)})


def free_vid(table: VlanTable) -> int:
    """A VID to offer for the next VLAN: the ten after the last, or the first that is free."""
    used = {vlan.vid for vlan in table.vlans}
    ten = max(used, default=0) // 10 * 10 + 10
    return ten if ten <= LAST_VID else next(vid for vid in range(FIRST_VID, LAST_VID + 1) if vid not in used)


def _find(table: VlanTable, vid: int) -> Vlan:
    for vlan in table.vlans:
        if vlan.vid == vid:
            return vlan
    raise VlanTableInvalid(f"VLAN {vid} is not in the table.")


def _rebuilt(table: VlanTable, vlans: tuple[Vlan, ...], touched: set[int]) -> VlanTable:
    rules = {port: kept for port, kept in table.rules.items() if port not in touched}
    for port in touched:
        untagged, tagged = ([vlan.vid for vlan in vlans if vlan.members.get(port) is how] for how in Tagging)
        if len(untagged) > 1:  # from a file; its PVID was said there
            pvid = table.rules[port].pvid
            accepts = Accepts.ALL if tagged else Accepts.UNTAGGED
            rules[port] = PortRule(pvid if pvid in untagged else untagged[0], accepts)
    return VlanTable(vlans, table.management_vid, rules)


# Beside the VLANs


def set_port(setup: SwitchSetup, port: int, wanted: PortSetup) -> SwitchSetup:
    """The setup with a port that makes its link another way. Raises SetupInvalid."""
    return replace(setup, ports={**setup.ports, port: wanted})


def keep_apart(setup: SwitchSetup, one: int, other: int, are_apart: bool) -> SwitchSetup:
    """The setup with two ports that hear nothing of each other, or do again. Raises SetupInvalid."""
    pair = frozenset({(min(one, other), max(one, other))})
    return replace(setup, apart=setup.apart | pair if are_apart else setup.apart - pair)


def separate_slots(setup: SwitchSetup, wiring: Wiring) -> SwitchSetup:
    """The setup in which the slots hear the uplink and the controller, and not each other."""
    return replace(setup, apart=wiring.all_separate())


def let_all_hear(setup: SwitchSetup) -> SwitchSetup:
    """The setup in which nobody is kept apart."""
    return replace(setup, apart=frozenset())


def mirror(setup: SwitchSetup, to: int | None, entering: Collection[int], leaving: Collection[int]) -> SwitchSetup:
    """The setup with copies of what enters and leaves at these ports going to a port, or with None to none.

    Raises SetupInvalid.
    """
    return replace(setup, mirror=None if to is None else Mirror(to, frozenset(entering), frozenset(leaving)))


def _soms(wiring: Wiring) -> set[int]:
    return set(wiring.slots.values()) - {wiring.controller}


# Setups to begin with


def together(wiring: Wiring) -> VlanTable:
    """All slots and the uplink in one VLAN without tags, as the switch is when nobody has set it up."""
    return VlanTable((Vlan(1, "all", dict.fromkeys(wiring.in_order(), Tagging.UNTAGGED)),), 1)


def separate(wiring: Wiring) -> VlanTable:
    """Each slot in a VLAN of its own, all tagged on the shared uplink; the controller's is the management VLAN."""
    others = {slot: port for slot, port in wiring.slots.items() if port != wiring.controller}
    own = (
        Vlan(FIRST_OWN_VID + slot, f"slot {slot}", {port: Tagging.UNTAGGED, wiring.uplink: Tagging.TAGGED})
        for slot, port in others.items()
    )
    return VlanTable((_management(wiring), *own), 1)


def lab(wiring: Wiring) -> VlanTable:
    """The controller in the management VLAN, all other slots in a lab of their own that is tagged on the uplink."""
    members = dict.fromkeys(_soms(wiring), Tagging.UNTAGGED)
    return VlanTable((_management(wiring), Vlan(LAB_VID, "lab", members | {wiring.uplink: Tagging.TAGGED})), 1)


def _management(wiring: Wiring) -> Vlan:
    return Vlan(1, "mgmt", {wiring.controller: Tagging.UNTAGGED, wiring.uplink: Tagging.UNTAGGED})


@dataclass(frozen=True)
class Pattern:
    """A setup to begin with: `words` is what it means in one sentence."""

    title: str
    words: str
    table: Callable[[Wiring], VlanTable]
    has_slots_apart: bool = False

    def make(self, setup: SwitchSetup, wiring: Wiring) -> SwitchSetup:
        """The setup with other VLANs and another isolation; links and mirror stay."""
        made = replace(setup, table=self.table(wiring), apart=frozenset())
        return separate_slots(made, wiring) if self.has_slots_apart else made


#: By the name in addresses.
PATTERNS = {
    "apart": Pattern(
        "All separate, shared uplink",
        "Slots 2 to 7 hear the uplink and the controller, not each other. No tags: it fits any router.",
        together,
        has_slots_apart=True,
    ),
    "separate": Pattern(
        "A VLAN for each slot",
        "Each slot in a VLAN of its own, tagged on the uplink, for a router that knows tags; the controller stays "
        "untagged.",
        separate,
    ),
    "lab": Pattern(
        "Management plus lab",
        "The controller in one VLAN, slots 2 to 7 in another that is tagged on the uplink.",
        lab,
    ),
    "together": Pattern("All together", "All slots and the uplink in one VLAN, without tags.", together),
}
