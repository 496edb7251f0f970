"""Setups as documents, which the API takes and gives, files hold and rows keep; and the chip's contents as JSON.

In a document a port is a slot's number or "uplink"; the switch's own numbers stay out of sight. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import groupby
from typing import Any, TypeVar

from hardware.jl6108.link_settings import LinkSettings
from hardware.jl6108.mirror import OutputMirror
from hardware.jl6108.numbering import ALL_PORTS
from hardware.jl6108.ports import Ability, Pause
from hardware.jl6108.recipes import ChipVlans
from hardware.jl6108.vlans import EgressPort, FrameFilter, PortTables, SourcePort, VlanEntry
from hardware.switch_errors import SetupInvalid, VlanTableInvalid
from hardware.switch_setup import FlowControl, Mirror, PortSetup, SwitchSetup, every_pair
from hardware.vlan import CPU_PORT, FRONT_PORTS, Accepts, PortRule, Tagging, Vlan, VlanTable

UPLINK = "uplink"
#: Every slot but the controller's kept apart from every other, uplink and controller shared.
ALL_SEPARATE = "all-separate"
AUTO = "auto"  # the speed that both sides can
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

    def all_separate(self) -> frozenset[tuple[int, int]]:
        """The pairs that let the slots hear uplink and controller, and not each other."""
        return every_pair(set(self.slots.values()) - {self.controller})


class Duplex(StrEnum):
    """Of a fixed speed: both directions at once, or one at a time."""

    FULL = "full"
    HALF = "half"


#: Slot s is on port 8 - s, the RJ45 socket on port 8 (section 2 of the reference).
USUAL = Wiring({slot: 8 - slot for slot in range(1, 8)}, 8)


# Setups


def to_document(setup: SwitchSetup, wiring: Wiring) -> Document:
    """The setup as a document with everything said, ports in the order in which people count them."""
    table = setup.table
    return {
        "management_vid": table.management_vid,
        "vlans": [
            {
                "vid": vlan.vid,
                "name": vlan.name,
                "untagged": _places(vlan.ports(Tagging.UNTAGGED), wiring),
                "tagged": _places(vlan.ports(Tagging.TAGGED), wiring),
            }
            for vlan in table.vlans
        ],
        "ports": [_port_row(setup, port, wiring) for port in wiring.in_order()],
        "isolation": _isolation_row(setup, wiring),
        "mirror": _mirror_row(setup.mirror, wiring),
    }


def _places(ports: Iterable[int], wiring: Wiring) -> list[Place]:
    wanted = set(ports)
    return [wiring.place(port) for port in wiring.in_order() if port in wanted]


def _port_row(setup: SwitchSetup, port: int, wiring: Wiring) -> Document:
    rule, link = setup.table.rules[port], setup.ports[port]
    return {
        "port": wiring.place(port),
        "pvid": rule.pvid,
        "accepts": rule.accepts.value,
        "enabled": link.enabled,
        "speed": AUTO if link.mbps is None else link.mbps,
        "duplex": (Duplex.FULL if link.full_duplex else Duplex.HALF).value,
        "negotiates": link.negotiates,
        "flow_control": link.flow_control.value,
    }


def _isolation_row(setup: SwitchSetup, wiring: Wiring) -> str | list[list[Place]]:
    if setup.apart == wiring.all_separate():
        return ALL_SEPARATE
    order = {port: number for number, port in enumerate(wiring.in_order())}
    pairs = sorted(sorted(order[port] for port in pair) for pair in setup.apart)
    return [[wiring.place(wiring.in_order()[number]) for number in pair] for pair in pairs]


def _mirror_row(mirror: Mirror | None, wiring: Wiring) -> Document | None:
    if mirror is None:
        return None
    ways = {"entering": _places(mirror.entering, wiring), "leaving": _places(mirror.leaving, wiring)}
    return {"to": wiring.place(mirror.to), **ways}


def from_document(document: object, wiring: Wiring) -> SwitchSetup:
    """The setup that a document, whoever wrote it, speaks of. What it does not say is as usual: ports in the VLANs that
    name them, on and negotiating; nobody kept apart; nothing mirrored.

    Raises VlanTableInvalid with one sentence.
    """
    top = _mapping(document, "The document", {"management_vid", "vlans"}, {"ports", "isolation", "mirror"})
    rows = _list(top["vlans"], "vlans")
    if len(rows) > MOST_VLANS:
        raise VlanTableInvalid(f"A table has at most {MOST_VLANS} VLANs, not {len(rows)}.")
    vlans = tuple(_vlan(row, wiring) for row in rows)
    rules: dict[int, PortRule] = {}
    links: dict[int, PortSetup] = {}
    for row in _list(top.get("ports") or [], "ports"):
        said = _mapping(row, "Each of ports", {"port"}, _RULE_KEYS | _LINK_KEYS)
        port = wiring.port(said["port"])
        if port in links:
            raise VlanTableInvalid(f"{wiring.capital(port)} is in ports twice.")
        links[port] = _link(said, wiring.capital(port))
        rule = _rule(said, vlans, port)
        if rule is not None:
            rules[port] = rule
    table = VlanTable(vlans, _number(top["management_vid"], "management_vid"), rules)
    return SwitchSetup(table, links, _isolation(top.get("isolation"), wiring), _mirror(top.get("mirror"), wiring))


_RULE_KEYS = {"pvid", "accepts"}
_LINK_KEYS = {"enabled", "speed", "duplex", "negotiates", "flow_control"}


def _link(said: Document, name: str) -> PortSetup:
    speed = said.get("speed", AUTO)
    if speed != AUTO:
        speed = _number(speed, f'The speed of {_inside(name)}, where it is not "{AUTO}",')
    try:
        return PortSetup(
            enabled=_truth(said.get("enabled", True), "enabled"),
            mbps=None if speed == AUTO else speed,
            full_duplex=_one_of(Duplex, said.get("duplex", Duplex.FULL), "duplex") is Duplex.FULL,
            negotiates=_truth(said.get("negotiates", True), "negotiates"),
            flow_control=_one_of(FlowControl, said.get("flow_control", FlowControl.AUTO), "flow_control"),
        )
    except SetupInvalid as error:
        raise SetupInvalid(f"{name}: {_inside(str(error))}") from error


def _isolation(said: object, wiring: Wiring) -> frozenset[tuple[int, int]]:
    if said == ALL_SEPARATE:
        return wiring.all_separate()
    if isinstance(said, str):
        raise VlanTableInvalid(f'isolation is "{ALL_SEPARATE}" or a list of pairs, not {_said(said)}.')
    pairs = set()
    for row in _list(said or [], "isolation"):
        pair = _list(row, "Each of isolation")
        if len(pair) != 2:
            raise VlanTableInvalid(f"Each of isolation is two ports, not {len(pair)}.")
        one, other = (wiring.port(place) for place in pair)
        if one == other:
            raise SetupInvalid(f"{wiring.capital(one)} cannot be kept apart from itself.")
        pairs.add((one, other))
    return frozenset(pairs)


def _mirror(said: object, wiring: Wiring) -> Mirror | None:
    if said is None:
        return None
    top = _mapping(said, "mirror", {"to"}, {"entering", "leaving"})
    ways = (frozenset(map(wiring.port, _list(top.get(way) or [], way))) for way in ("entering", "leaving"))
    return Mirror(wiring.port(top["to"]), *ways)


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
    return PortRule(pvid, _one_of(Accepts, said["accepts"], "accepts"))


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


def _truth(value: object, what: str) -> bool:
    if not isinstance(value, bool):
        raise VlanTableInvalid(f"{what} is true or false, not {_said(value)}.")
    return value


Named = TypeVar("Named", bound=StrEnum)


def _one_of(kind: type[Named], value: object, what: str) -> Named:
    if not isinstance(value, str) or value not in list(kind):
        raise VlanTableInvalid(f"{what} is one of {', '.join(kind)}, not {_said(value)}.")
    return kind(value)


def _inside(sentence: str) -> str:
    """The same inside another sentence."""
    return sentence[0].lower() + sentence[1:]


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
        "isolation": {str(port): sorted(sources) for port, sources in sorted(chip.isolation.items())},
        "output_mirrors": {str(port): f"{entry.value:x}" for port, entry in sorted(chip.output_mirrors.items())},
        "links": {str(port): _link_json(link) for port, link in sorted(chip.links.items())},
    }


def _link_json(link: LinkSettings) -> Document:
    return {
        "enabled": link.enabled,
        "forced": list(link.forced) if link.forced else None,
        "offers": sorted(link.offers),
        "pause": [link.pause.receive, link.pause.send] if link.pause else None,
        "unattended": link.unattended,
    }


def chip_from_json(data: Document) -> ChipVlans:
    """What `chip_json` wrote down; what an earlier version did not write down yet is not spoken of."""
    entries = {
        vid: VlanEntry(int(value, 16)) for first, last, value in data["entries"] for vid in range(first, last + 1)
    }
    ports = {
        port: PortTables(*(kind(int(value, 16)) for kind, value in zip(_KINDS, data["ports"][str(port)], strict=True)))
        for port in ALL_PORTS
    }
    return ChipVlans(
        entries,
        ports,
        {int(port): frozenset(sources) for port, sources in data.get("isolation", {}).items()},
        {int(port): OutputMirror(int(value, 16)) for port, value in data.get("output_mirrors", {}).items()},
        {int(port): _link_from_json(link) for port, link in data.get("links", {}).items()},
    )


def _link_from_json(data: Document) -> LinkSettings:
    forced, pause = data["forced"], data["pause"]
    return LinkSettings(
        data["enabled"],
        (forced[0], forced[1]) if forced else None,
        frozenset(map(Ability, data["offers"])),
        Pause(*pause) if pause else None,
        data["unattended"],
    )


_KINDS: tuple[Any, ...] = (SourcePort, EgressPort, FrameFilter)
assert set(FRONT_PORTS) == set(USUAL.in_order())
