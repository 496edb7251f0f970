"""VLANs as people mean them: which port is in which, tagged or not. Plain values, checked when they are made.

Ports are those of the switch: 1 to 8 as on the front, and `CPU_PORT`, behind which the switch's own web pages live.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import pairwise

from hardware.switch_errors import Refusal, VlanTableInvalid, VlanTableRefused

FRONT_PORTS = tuple(range(1, 9))
#: The switch's own port. It belongs to the management VLAN and to no other, untagged.
CPU_PORT = 9
#: IEEE 802.1Q-2022, table 9-2: 0 means "no VLAN", 4095 is reserved.
FIRST_VID, LAST_VID = 1, 4094
LONGEST_NAME = 32


class Tagging(StrEnum):
    """How frames of a VLAN leave a port. A port that is not named is not in the VLAN."""

    UNTAGGED = "untagged"
    TAGGED = "tagged"


class Accepts(StrEnum):
    """Which frames a port takes in. A tag with VID 0, which only carries a priority, counts as no tag in 802.1Q."""

    ALL = "all"
    TAGGED = "tagged"
    UNTAGGED = "untagged"


@dataclass(frozen=True)
class Vlan:
    """One VLAN: its VID (1 to 4094), what people call it, and its front ports. Raises VlanTableInvalid."""

    vid: int
    name: str = ""
    members: Mapping[int, Tagging] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not FIRST_VID <= self.vid <= LAST_VID:
            raise VlanTableInvalid(f"A VLAN's number is {FIRST_VID} to {LAST_VID}, not {self.vid}.")
        if len(self.name) > LONGEST_NAME or not self.name.isprintable():
            raise VlanTableInvalid(
                f"The name of VLAN {self.vid} is longer than {LONGEST_NAME} characters or unprintable."
            )
        for port in self.members:
            _require_front(port)
        object.__setattr__(self, "members", {port: Tagging(self.members[port]) for port in sorted(self.members)})

    def ports(self, tagging: Tagging) -> frozenset[int]:
        """The ports that are in it this way."""
        return frozenset(port for port, how in self.members.items() if how is tagging)


@dataclass(frozen=True)
class PortRule:
    """What a front port does with frames that come in: `pvid` is the VLAN of those without a tag, None for none."""

    pvid: int | None = None
    accepts: Accepts = Accepts.TAGGED


@dataclass(frozen=True)
class VlanTable:
    """All VLANs of the switch, the rule of each front port, and the VLAN of the switch's own pages.

    A port without a rule is given the usual one: its only untagged VLAN is its PVID; it takes in untagged frames where
    it has a PVID and tagged ones where it is tagged in a VLAN. Raises VlanTableInvalid with one sentence.
    """

    vlans: tuple[Vlan, ...]
    management_vid: int
    rules: Mapping[int, PortRule] = field(default_factory=dict, hash=False)
    #: What is asked for again and again, worked out once: VLANs by VID, and VIDs by port and tagging.
    _by_vid: Mapping[int, Vlan] = field(init=False, repr=False, compare=False)
    _by_port: Mapping[tuple[int, Tagging], tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "vlans", tuple(sorted(self.vlans, key=lambda vlan: vlan.vid)))
        for first, second in pairwise(self.vlans):
            if first.vid == second.vid:
                raise VlanTableInvalid(f"VLAN {first.vid} is in the table twice.")
        object.__setattr__(self, "_by_vid", {vlan.vid: vlan for vlan in self.vlans})
        object.__setattr__(self, "_by_port", self._vids_by_port())
        if self.management_vid not in self._by_vid:
            raise VlanTableInvalid(
                f"VLAN {self.management_vid}, which the switch's own pages are to be in, is not in the table."
            )
        for port in self.rules:
            _require_front(port)
        object.__setattr__(
            self, "rules", {port: self.rules.get(port) or self._usual_rule(port) for port in FRONT_PORTS}
        )
        for port, rule in self.rules.items():
            self._require_sound(port, rule)

    def vlan(self, vid: int) -> Vlan:
        """The VLAN of that number. Raises KeyError."""
        return self._by_vid[vid]

    def vids(self, port: int, tagging: Tagging) -> tuple[int, ...]:
        """The VLANs that a port is in this way; the CPU port is untagged in the management VLAN."""
        return self._by_port.get((port, tagging), ())

    def ports(self, vid: int) -> frozenset[int]:
        """All ports of a VLAN, the CPU's included. Raises KeyError."""
        own = {CPU_PORT} if vid == self.management_vid else set()
        return frozenset(self.vlan(vid).members) | own

    def _vids_by_port(self) -> dict[tuple[int, Tagging], tuple[int, ...]]:
        vids: dict[tuple[int, Tagging], list[int]] = {(CPU_PORT, Tagging.UNTAGGED): [self.management_vid]}
        for vlan in self.vlans:
            for port, tagging in vlan.members.items():
                vids.setdefault((port, tagging), []).append(vlan.vid)
        return {key: tuple(found) for key, found in vids.items()}

    def _usual_rule(self, port: int) -> PortRule:
        untagged = self.vids(port, Tagging.UNTAGGED)
        if not untagged:
            return PortRule()
        if len(untagged) > 1:
            vids = ", ".join(map(str, untagged))
            raise VlanTableInvalid(f"Port {port} is untagged in VLANs {vids}: say which of them is its PVID.")
        return PortRule(untagged[0], Accepts.ALL if self.vids(port, Tagging.TAGGED) else Accepts.UNTAGGED)

    def _require_sound(self, port: int, rule: PortRule) -> None:
        if rule.pvid is None:
            if rule.accepts is not Accepts.TAGGED:
                raise VlanTableInvalid(f"Port {port} takes in untagged frames but has no PVID to put them in.")
            if self.vids(port, Tagging.UNTAGGED):
                raise VlanTableInvalid(f"Port {port} is untagged in a VLAN but has no PVID.")
        elif rule.pvid not in (*self.vids(port, Tagging.UNTAGGED), *self.vids(port, Tagging.TAGGED)):
            raise VlanTableInvalid(f"The PVID of port {port}, {rule.pvid}, is not a VLAN that the port is in.")


def _require_front(port: int) -> None:
    if port not in FRONT_PORTS:
        raise VlanTableInvalid(f"The switch has ports {FRONT_PORTS[0]} to {FRONT_PORTS[-1]}, not {port}.")


# What the JL6108 can express (section 26 of our register reference, results of a model and not of silicon)


class Recipe(StrEnum):
    """How 802.1Q is made of the chip's operations; which assumptions of the reference that rests on.

    BASELINE pushes the tag where an untagged frame comes in. It rests on the fewest assumptions, and cannot let a port
    take in both kinds of frames unless its PVID is carried untagged. CANONICAL takes every tag off where a frame comes
    in and lets the VLAN's entry push it anew; it can, but is wrong if the chip classifies a frame after that.
    """

    BASELINE = "baseline"
    CANONICAL = "canonical"


def carriage(table: VlanTable, recipe: Recipe = Recipe.BASELINE) -> dict[int, Tagging]:
    """How the frames of each VLAN travel inside the chip. Raises VlanTableRefused with every reason.

    The chip takes a tag off (or puts one on) for a whole port or a whole VLAN, so a port that has some VLANs tagged and
    others not needs each VLAN to arrive as it is to leave, and a VLAN that is needed both ways cannot be had.
    """
    found = refusals(table, recipe)
    if found:
        raise VlanTableRefused(found)
    bare = {vlan.vid for vlan in table.vlans if _needing(table, vlan.vid, Tagging.UNTAGGED)}
    free = {vlan.vid for vlan in table.vlans if not _needing(table, vlan.vid, Tagging.TAGGED)} - bare
    # A port that has several VLANs untagged takes off what they come with: nothing, if it can be had of all of them.
    while beside := free & {vid for port in FRONT_PORTS for vid in _beside(table, port, bare)}:
        bare |= beside
        free -= beside
    return {vlan.vid: Tagging.UNTAGGED if vlan.vid in bare else Tagging.TAGGED for vlan in table.vlans}


def refusals(table: VlanTable, recipe: Recipe = Recipe.BASELINE) -> tuple[Refusal, ...]:
    """Why the chip cannot do a table, and for each reason the nearest thing that works; empty if it can."""
    found = [refusal for vlan in table.vlans if (refusal := _both_ways(table, vlan.vid))]
    if recipe is Recipe.BASELINE:
        found += [refusal for port in FRONT_PORTS if (refusal := _both_kinds(table, port))]
    return tuple(found)


def _beside(table: VlanTable, port: int, vids: set[int]) -> set[int]:
    """The VLANs that a port has untagged, if one of `vids` is among them."""
    untagged = set(table.vids(port, Tagging.UNTAGGED))
    return untagged if untagged & vids else set()


def _needing(table: VlanTable, vid: int, tagging: Tagging) -> list[int]:
    """The ports that need a VLAN to travel this way inside the chip."""
    return [port for port, how in table.vlan(vid).members.items() if how is tagging and _is_bound(table, port)]


def _is_bound(table: VlanTable, port: int) -> bool:
    """Whether a port can neither take the tag off all its frames nor put one on: it needs them as they leave."""
    tagged = len(table.vids(port, Tagging.TAGGED))
    return tagged > 1 or bool(tagged and table.vids(port, Tagging.UNTAGGED))


def _both_ways(table: VlanTable, vid: int) -> Refusal | None:
    untagged, tagged = _needing(table, vid, Tagging.UNTAGGED), _needing(table, vid, Tagging.TAGGED)
    if not (untagged and tagged):
        return None
    return Refusal(
        "both-ways",
        vid,
        tuple(sorted((*untagged, *tagged))),
        f"VLAN {vid} is to leave {_ports(untagged)} untagged beside tagged VLANs, and {_ports(tagged)} tagged beside "
        "other VLANs; the chip takes tags off for a whole port or a whole VLAN, not for one VLAN at one port",
        f"VLAN {vid} tagged on {_ports(untagged)} too, or {_ports(untagged)} in no VLAN that is tagged, "
        f"or no other VLAN on {_ports(tagged)}",
    )


def _both_kinds(table: VlanTable, port: int) -> Refusal | None:
    rule = table.rules[port]
    if rule.accepts is not Accepts.ALL:
        return None
    if rule.pvid in table.vids(port, Tagging.TAGGED):
        return Refusal(
            "tagged-pvid",
            rule.pvid,
            (port,),
            f"port {port} is to put untagged frames into VLAN {rule.pvid}, which leaves it tagged; tags are put on "
            "for a whole port, so they would stay untagged inside",
            f"port {port} takes in tagged frames only, or VLAN {rule.pvid} leaves it untagged",
        )
    if not table.vids(port, Tagging.TAGGED):
        return Refusal(
            "admits-all",
            rule.pvid,
            (port,),
            f"port {port} is in no VLAN that is tagged, yet is to take in tagged frames too, which would get a second "
            "tag",
            f"port {port} takes in untagged frames only",
        )
    return None


def _ports(numbers: list[int]) -> str:
    *some, last = map(str, numbers)
    return f"ports {', '.join(some)} and {last}" if some else f"port {last}"
