"""What a change of the switch means, in words. Pure."""

import re

from hardware.switch_setup import FlowControl, Mirror, PortSetup, SwitchSetup
from hardware.vlan import Accepts, Tagging, VlanTable
from switch.documents import Wiring

_ACCEPTS = {Accepts.ALL: "all frames", Accepts.TAGGED: "tagged frames only", Accepts.UNTAGGED: "untagged frames only"}


_FLOW = {FlowControl.AUTO: "flow control as negotiated", FlowControl.ON: "with flow control"}
_FLOW[FlowControl.OFF] = "without flow control"


def differences(
    before: SwitchSetup | None, after: SwitchSetup, wiring: Wiring, *, table: VlanTable | None = None
) -> tuple[str, ...]:
    """One line for each VLAN, port, pair and mirror that changes; `before` is None where what runs is no setup of ours.

    Then `table` is what runs of its VLANs, where at least those are ours.
    """
    if before is not None:
        return (*_vlans(before.table, after.table), *_ports(before, after, wiring), *_beside(before, after, wiring))
    usual = SwitchSetup(table or after.table)
    if table is not None:
        first = "Links, isolation or mirror were not set by this portal; they are written anew."
        return (first, *differences(usual, after, wiring))
    first = "What the switch holds now was not written by this portal; everything is written anew."
    every = (f"{wiring.words(port)}: {membership(after.table, port)}" for port in wiring.in_order())
    vlans = (f"VLAN {vlan.vid}{_named(vlan.name)}" for vlan in after.table.vlans)
    return (first, *vlans, *every, *differences(usual, after, wiring))


def link(port: PortSetup) -> str:
    """How a port makes its link: "100 Mb/s, full duplex, flow control as negotiated"."""
    if not port.enabled:
        return "off"
    words = "the best speed that both sides can"
    if port.mbps is not None:
        words = f"{port.mbps} Mb/s, {'full' if port.full_duplex else 'half'} duplex"
        words += "" if port.negotiates else " without negotiation"
    return f"{words}, {_FLOW[port.flow_control]}"


def membership(table: VlanTable, port: int) -> str:
    """How a port is in its VLANs: "untagged in 20, tagged in 10 and 30"."""
    untagged, tagged = table.vids(port, Tagging.UNTAGGED), table.vids(port, Tagging.TAGGED)
    parts = [f"untagged in {listed(untagged)}"] if untagged else []
    parts += [f"tagged in {listed(tagged)}"] if tagged else []
    return ", ".join(parts) or "in no VLAN"


def listed(numbers: tuple[int, ...]) -> str:
    *some, last = map(str, numbers)
    return f"{', '.join(some)} and {last}" if some else last


def _named(name: str) -> str:
    return f" ({name})" if name else ""


def _vlans(before: VlanTable, after: VlanTable) -> list[str]:
    old, new = ({vlan.vid: vlan for vlan in table.vlans} for table in (before, after))
    lines = [f"VLAN {vid}{_named(new[vid].name)} is new" for vid in new if vid not in old]
    lines += [f"VLAN {vid}{_named(old[vid].name)} is removed" for vid in old if vid not in new]
    for vid in new:
        if vid in old and old[vid].name != new[vid].name:
            lines.append(f"VLAN {vid} is called {new[vid].name or 'nothing'} instead of {old[vid].name or 'nothing'}")
    if before.management_vid != after.management_vid:
        lines.append(f"the switch's own pages: VLAN {before.management_vid} -> {after.management_vid}")
    return lines


def _ports(before: SwitchSetup, after: SwitchSetup, wiring: Wiring) -> list[str]:
    lines = []
    for port in wiring.in_order():
        old, new, parts = before.table.rules[port], after.table.rules[port], []
        if old.pvid != new.pvid:
            parts.append(f"PVID {old.pvid or 'none'} -> {new.pvid or 'none'}")
        if membership(before.table, port) != membership(after.table, port):
            parts.append(membership(after.table, port))
        if old.accepts is not new.accepts:
            parts.append(f"takes in {_ACCEPTS[new.accepts]}")
        if before.ports[port] != after.ports[port]:
            parts.append(_link_change(before.ports[port], after.ports[port]))
        if parts:
            lines.append(f"{wiring.words(port)}: {', '.join(parts)}")
    return lines


def _link_change(before: PortSetup, after: PortSetup) -> str:
    if not after.enabled:
        return "off" if before.enabled else "stays off, set otherwise"
    return f"on, {link(after)}" if not before.enabled else link(after)


def _beside(before: SwitchSetup, after: SwitchSetup, wiring: Wiring) -> list[str]:
    """Isolation and mirror."""
    lines = _apart(before, after, wiring)
    if before.mirror != after.mirror:
        lines.append(mirroring(after.mirror, wiring) if after.mirror else "nothing is mirrored any more")
    return lines


def _apart(before: SwitchSetup, after: SwitchSetup, wiring: Wiring) -> list[str]:
    if before.apart == after.apart:
        return []
    if after.apart == wiring.all_separate():
        return ["the slots but the controller's are kept apart from each other"]
    if not after.apart:
        return ["nobody is kept apart any more"]
    old, new = (_pairs(setup, wiring) for setup in (before, after))
    lines = [f"{pair} are kept apart" for pair in new if pair not in old]
    return lines + [f"{pair} hear each other again" for pair in old if pair not in new]


def _pairs(setup: SwitchSetup, wiring: Wiring) -> list[str]:
    order = {port: number for number, port in enumerate(wiring.in_order())}
    pairs = sorted(tuple(sorted(pair, key=order.__getitem__)) for pair in setup.apart)
    pairs.sort(key=lambda pair: [order[port] for port in pair])
    return [" and ".join(wiring.words(port) for port in pair) for pair in pairs]


def mirroring(mirror: Mirror, wiring: Wiring) -> str:
    """What is copied where: "slot 5 gets copies of what enters at slot 3, and of what leaves at slot 3"."""
    ways = (("enters", mirror.entering), ("leaves", mirror.leaving))
    parts = [f"of what {verb} at {_places(ports, wiring)}" for verb, ports in ways if ports]
    return f"{wiring.words(mirror.to)} gets copies {', and '.join(parts)}"


def _places(ports: frozenset[int], wiring: Wiring) -> str:
    *some, last = [wiring.words(port) for port in wiring.in_order() if port in ports]
    return f"{', '.join(some)} and {last}" if some else last


# Sentences from below, which know the switch's ports only

_PORTS = re.compile(r"\b([Pp])ort(?:s ([1-9](?:, [1-9])*(?: and [1-9])?)| ([1-9]))\b")


def in_slots(sentence: str, wiring: Wiring) -> str:
    """A sentence about the switch's ports as one about slots: "ports 3 and 8" are "slot 5 and the uplink"."""

    def said(match: re.Match[str]) -> str:
        names = [wiring.words(int(number)) for number in re.findall(r"\d", match[2] or match[3])]
        words = f"{', '.join(names[:-1])} and {names[-1]}" if names[1:] else names[0]
        return words[0].upper() + words[1:] if match[1] == "P" else words

    return _PORTS.sub(said, sentence)
