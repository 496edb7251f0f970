"""VLANs as people mean them: which port is in which, tagged or not. Plain values, checked when they are made.

Ports are those of the switch: 1 to 8 as on the front, and `CPU_PORT`, behind which the switch's own web pages live.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from hardware.switch_errors import VlanTableInvalid

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

    def __post_init__(self) -> None:
        object.__setattr__(self, "vlans", tuple(sorted(self.vlans, key=lambda vlan: vlan.vid)))
        vids = [vlan.vid for vlan in self.vlans]
        for vid in vids:
            if vids.count(vid) > 1:
                raise VlanTableInvalid(f"VLAN {vid} is in the table twice.")
        if self.management_vid not in vids:
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
        return {vlan.vid: vlan for vlan in self.vlans}[vid]

    def vids(self, port: int, tagging: Tagging) -> tuple[int, ...]:
        """The VLANs that a port is in this way; the CPU port is untagged in the management VLAN."""
        if port == CPU_PORT:
            return (self.management_vid,) if tagging is Tagging.UNTAGGED else ()
        return tuple(vlan.vid for vlan in self.vlans if vlan.members.get(port) is tagging)

    def ports(self, vid: int) -> frozenset[int]:
        """All ports of a VLAN, the CPU's included. Raises KeyError."""
        own = {CPU_PORT} if vid == self.management_vid else set()
        return frozenset(self.vlan(vid).members) | own

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
