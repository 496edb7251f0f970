"""What a frame meets inside the chip, by sections 5.1 to 5.7 and 25 of the reference, and what 802.1Q says it should.

Written from the bit numbers and not from the driver's tables. A frame is its tags, the outermost first; what the
reference only infers (the member check, a pop of nothing) is taken as inferred.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from hardware.jl6108.recipes import ChipVlans
from hardware.vlan import CPU_PORT, Accepts, Tagging, VlanTable

Frame = tuple[int, ...]
NONE, PUSH, POP = 0, 2, 3


def bits(value: int, low: int, high: int) -> int:
    return value >> low & ((1 << high - low + 1) - 1)


@dataclass(frozen=True)
class Operation:
    """One of the three operations: what it does, where its VID comes from, and its own VID."""

    kind: int
    choice: int
    vid: int

    def on(self, frame: Frame, received: Frame) -> Frame:
        if self.kind == POP:
            return frame[1:]
        if self.kind == PUSH:
            assert self.choice in (0, 1)
            outer = received[0] if received and self.choice == 0 else self.vid
            return (outer, *frame)
        assert self.kind == NONE
        return frame


def forward(chip: ChipVlans, port: int, frame: Frame) -> dict[int, Frame]:
    """At which ports a frame that enters at `port` leaves, and as what."""
    tables = chip.ports[port]
    source, drops = tables.source.value, tables.frame_filter.value
    if bits(drops, 0, 0) if frame else bits(drops, 3, 3):
        return {}
    assert bits(source, 27, 28) == 0
    vid = frame[0] if frame else bits(source, 29, 40)
    entry = chip.entry(vid).value
    members = bits(entry, 0, 10)
    if not members >> port + 1 & 1:
        return {}
    inside = Operation(bits(source, 16, 18), bits(source, 19, 20), bits(source, 29, 40)).on(frame, frame)
    inside = Operation(bits(entry, 34, 36), bits(entry, 37, 38), bits(entry, 45, 56)).on(inside, frame)
    left = {}
    for other in range(1, 10):
        if other != port and members >> other + 1 & 1:
            egress = chip.ports[other].egress.value
            left[other] = Operation(bits(egress, 1, 3), bits(egress, 6, 7), bits(egress, 12, 23)).on(inside, frame)
    return left


def by_802_1q(table: VlanTable, port: int, frame: Frame) -> dict[int, Frame]:
    """What a bridge as IEEE 802.1Q has it does with the same frame, ingress filtering on."""
    is_tagged = bool(frame) and frame[0] != 0
    accepts = Accepts.UNTAGGED if port == CPU_PORT else table.rules[port].accepts
    if accepts is (Accepts.UNTAGGED if is_tagged else Accepts.TAGGED):
        return {}
    pvid = table.management_vid if port == CPU_PORT else table.rules[port].pvid
    vid = frame[0] if is_tagged else pvid
    if vid is None or vid not in {vlan.vid for vlan in table.vlans} or port not in table.ports(vid):
        return {}
    inner = frame[1:] if frame else ()
    return {
        other: inner if _is_untagged(table.vlan(vid).members, other) else (vid, *inner)
        for other in table.ports(vid) - {port}
    }


def _is_untagged(members: Mapping[int, Tagging], port: int) -> bool:
    return port == CPU_PORT or members[port] is Tagging.UNTAGGED
