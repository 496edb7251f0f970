"""What a change of VLANs means, in words. Pure."""

import re

from hardware.vlan import Accepts, Tagging, VlanTable
from switch.documents import Wiring

_ACCEPTS = {Accepts.ALL: "all frames", Accepts.TAGGED: "tagged frames only", Accepts.UNTAGGED: "untagged frames only"}


def differences(before: VlanTable | None, after: VlanTable, wiring: Wiring) -> tuple[str, ...]:
    """One line for each VLAN and each port that changes; `before` is None where what runs is no table of ours."""
    if before is None:
        first = "What the switch holds now was not written by this portal; everything is written anew."
        every = (f"{wiring.words(port)}: {membership(after, port)}" for port in wiring.in_order())
        return (first, *(f"VLAN {vlan.vid}{_named(vlan.name)}" for vlan in after.vlans), *every)
    return (*_vlans(before, after), *_ports(before, after, wiring))


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


def _ports(before: VlanTable, after: VlanTable, wiring: Wiring) -> list[str]:
    lines = []
    for port in wiring.in_order():
        old, new, parts = before.rules[port], after.rules[port], []
        if old.pvid != new.pvid:
            parts.append(f"PVID {old.pvid or 'none'} -> {new.pvid or 'none'}")
        if membership(before, port) != membership(after, port):
            parts.append(membership(after, port))
        if old.accepts is not new.accepts:
            parts.append(f"takes in {_ACCEPTS[new.accepts]}")
        if parts:
            lines.append(f"{wiring.words(port)}: {', '.join(parts)}")
    return lines


# Sentences from below, which know the switch's ports only

_PORTS = re.compile(r"\b([Pp])ort(?:s ([1-9](?:, [1-9])*(?: and [1-9])?)| ([1-9]))\b")


def in_slots(sentence: str, wiring: Wiring) -> str:
    """A sentence about the switch's ports as one about slots: "ports 3 and 8" are "slot 5 and the uplink"."""

    def said(match: re.Match[str]) -> str:
        names = [wiring.words(int(number)) for number in re.findall(r"\d", match[2] or match[3])]
        words = f"{', '.join(names[:-1])} and {names[-1]}" if names[1:] else names[0]
        return words[0].upper() + words[1:] if match[1] == "P" else words

    return _PORTS.sub(said, sentence)
