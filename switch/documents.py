"""VLAN tables as documents, which the API takes and gives, files hold and rows keep; and the chip's contents as JSON.

In a document a port is a slot's number or "uplink"; the switch's own numbers stay out of sight. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from hardware.jl6108.numbering import ALL_PORTS
from hardware.jl6108.recipes import ChipVlans
from hardware.jl6108.vlans import EgressPort, FrameFilter, PortTables, SourcePort, VlanEntry
from hardware.switch_errors import VlanTableInvalid
from hardware.vlan import CPU_PORT, FRONT_PORTS, Accepts, PortRule, Tagging, Vlan, VlanTable

UPLINK = "uplink"
#: In one table, which is more than seven slots can use; each costs time on the bus and a row on the page.
MOST_VLANS = 128
Document = dict[str, Any]
Place = int | str


@dataclass(frozen=True)
class Wiring:
    """Which switch port is whose: of each slot, the portal's own in slot 1 among them, and of the socket outside."""

    slots: Mapping[int, int] = field(hash=False)  # slot -> switch port
    uplink: int

    @property
    def controller(self) -> int:
        return self.slots[1]

    def place(self, port: int) -> Place:
        """A front port's name in documents. Raises KeyError."""
        return UPLINK if port == self.uplink else {number: slot for slot, number in self.slots.items()}[port]

    def port(self, place: object) -> int:
        """The front port of a slot's number or "uplink". Raises VlanTableInvalid."""
        if place == UPLINK:
            return self.uplink
        if isinstance(place, str) and place.isascii() and place.isdigit() and len(place) < 3:
            place = int(place)
        if isinstance(place, bool) or not isinstance(place, int) or place not in self.slots:
            raise VlanTableInvalid(
                f'A port is a slot\'s number, 1 to {len(self.slots)}, or "{UPLINK}", not {_said(place)}.'
            )
        return self.slots[place]

    def words(self, port: int) -> str:
        """A port as people know it: "slot 4", "the uplink"."""
        if port == CPU_PORT:
            return "the switch's own port"
        place = self.place(port)
        return "the uplink" if place == UPLINK else f"slot {place}"

    def capital(self, port: int) -> str:
        words = self.words(port)
        return words[0].upper() + words[1:]

    def in_order(self) -> tuple[int, ...]:
        """The front ports as people count them: slots first, the uplink last."""
        return (*(self.slots[slot] for slot in sorted(self.slots)), self.uplink)


#: Slot s is on port 8 - s, the RJ45 socket on port 8 (section 2 of the reference).
USUAL = Wiring({slot: 8 - slot for slot in range(1, 8)}, 8)


# Tables


def to_document(table: VlanTable, wiring: Wiring) -> Document:
    """The table as a document with everything said, ports in the order in which people count them."""

    def places(vlan: Vlan, how: Tagging) -> list[Place]:
        return [wiring.place(port) for port in wiring.in_order() if vlan.members.get(port) is how]

    return {
        "management_vid": table.management_vid,
        "vlans": [
            {
                "vid": vlan.vid,
                "name": vlan.name,
                "untagged": places(vlan, Tagging.UNTAGGED),
                "tagged": places(vlan, Tagging.TAGGED),
            }
            for vlan in table.vlans
        ],
        "ports": [
            {"port": wiring.place(port), "pvid": table.rules[port].pvid, "accepts": table.rules[port].accepts.value}
            for port in wiring.in_order()
        ],
    }


def from_document(document: object, wiring: Wiring) -> VlanTable:
    """The table that a document, whoever wrote it, speaks of. Ports that it does not name get the usual rule.

    Raises VlanTableInvalid with one sentence.
    """
    top = _mapping(document, "The document", {"management_vid", "vlans"}, {"ports"})
    rows = _list(top["vlans"], "vlans")
    if len(rows) > MOST_VLANS:
        raise VlanTableInvalid(f"A table has at most {MOST_VLANS} VLANs, not {len(rows)}.")
    vlans = tuple(_vlan(row, wiring) for row in rows)
    rules: dict[int, PortRule] = {}
    for row in _list(top.get("ports") or [], "ports"):
        said = _mapping(row, "Each of ports", {"port"}, {"pvid", "accepts"})
        port = wiring.port(said["port"])
        if port in rules:
            raise VlanTableInvalid(f"{wiring.capital(port)} is in ports twice.")
        rule = _rule(said, vlans, port)
        if rule is not None:
            rules[port] = rule
    return VlanTable(vlans, _number(top["management_vid"], "management_vid"), rules)


def _vlan(row: object, wiring: Wiring) -> Vlan:
    said = _mapping(row, "Each of vlans", {"vid"}, {"name", "untagged", "tagged"})
    vid, name = _number(said["vid"], "vid"), said.get("name") or ""
    if not isinstance(name, str):
        raise VlanTableInvalid(f"The name of VLAN {vid} is to be text, not {_said(name)}.")
    members: dict[int, Tagging] = {}
    for how in Tagging:
        for place in _list(said.get(how.value) or [], how.value):
            port = wiring.port(place)
            if port in members:
                raise VlanTableInvalid(f"{wiring.capital(port)} is in VLAN {vid} twice.")
            members[port] = how
    return Vlan(vid, name, members)


def _rule(said: Document, vlans: tuple[Vlan, ...], port: int) -> PortRule | None:
    """The rule of a port; None for the usual one, where only the port is named."""
    if "pvid" not in said and "accepts" not in said:
        return None
    untagged = [vlan.vid for vlan in vlans if vlan.members.get(port) is Tagging.UNTAGGED]
    pvid = said.get("pvid", untagged[0] if len(untagged) == 1 else None)
    if pvid is not None:
        pvid = _number(pvid, "pvid")
    if "accepts" not in said:
        tagged = any(vlan.members.get(port) is Tagging.TAGGED for vlan in vlans)
        return PortRule(pvid, Accepts.TAGGED if pvid is None else Accepts.ALL if tagged else Accepts.UNTAGGED)
    if not isinstance(said["accepts"], str) or said["accepts"] not in list(Accepts):
        raise VlanTableInvalid(f"accepts is one of {', '.join(Accepts)}, not {_said(said['accepts'])}.")
    return PortRule(pvid, Accepts(said["accepts"]))


def _mapping(value: object, what: str, needed: set[str], possible: set[str]) -> Document:
    if not isinstance(value, dict):
        raise VlanTableInvalid(f"{what} is to have the keys {', '.join(sorted(needed | possible))}.")
    for missing in sorted(needed - value.keys()):
        raise VlanTableInvalid(f"{what} lacks {missing}.")
    for unknown in value.keys() - needed - possible:
        raise VlanTableInvalid(f"{what} has a key that nobody knows, {_said(unknown)}.")
    return value


def _list(value: object, what: str) -> list[object]:
    if not isinstance(value, list):
        raise VlanTableInvalid(f"{what} is to be a list, not {_said(value)}.")
    return value


def _number(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise VlanTableInvalid(f"{what} is to be a whole number, not {_said(value)}.")
    return value


def _said(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


# The chip's contents


def chip_json(chip: ChipVlans) -> Document:
    """Every bit of it as JSON: neighbouring entries that are alike in one row, [first, last, "value"]."""
    entries = sorted((vid, entry.value) for vid, entry in chip.entries.items())
    # Neighbours have the same distance to their place in the row.
    groups = groupby(enumerate(entries), key=lambda one: (one[1][0] - one[0], one[1][1]))
    runs = [[row[1] for row in members] for _, members in groups]
    return {
        "entries": [[run[0][0], run[-1][0], f"{run[0][1]:x}"] for run in runs],
        "ports": {
            str(port): [f"{entry.value:x}" for entry in (ports.source, ports.egress, ports.frame_filter)]
            for port, ports in sorted(chip.ports.items())
        },
    }


def chip_from_json(data: Document) -> ChipVlans:
    """What `chip_json` wrote down."""
    entries = {
        vid: VlanEntry(int(value, 16)) for first, last, value in data["entries"] for vid in range(first, last + 1)
    }
    ports = {
        port: PortTables(*(kind(int(value, 16)) for kind, value in zip(_KINDS, data["ports"][str(port)], strict=True)))
        for port in ALL_PORTS
    }
    return ChipVlans(entries, ports)


_KINDS: tuple[Any, ...] = (SourcePort, EgressPort, FrameFilter)
assert set(FRONT_PORTS) == set(USUAL.in_order())
