"""What the JL6108 does to the tags of a frame: push, pop, swap, and the kinds of frames that its filters know.

jl6108.md 5.1 to 5.5, 25.6, 25.7, 25.9, 25.10. Tags are tuples, the outermost first.
"""

from enum import IntEnum
from typing import NamedTuple

from hardware.simulator.frame import C_TAG, S_TAG, Tag
from hardware.simulator.switch_assumptions import Assumptions

Tags = tuple[Tag, ...]


class Does(IntEnum):
    """`vlan_single_op`; 5 to 7 are not described and do nothing here."""

    NOTHING = 0
    SWAP = 1
    PUSH = 2
    POP = 3
    REMOVE_ALL = 4


class Operation(NamedTuple):
    """One of the three places that change tags, with the coding that they share (5.1)."""

    does: int
    vid_sel: int
    dei_sel: int
    pcp_sel: int
    type_sel: int
    default: Tag


def source_operation(entry: int) -> Operation:
    """Return the operation of a SOURCE_PORT_TABLE entry (5.1)."""
    default = Tag(entry >> 29 & 0xFFF, entry >> 44 & 7, entry >> 43 & 1)
    return Operation(entry >> 16 & 7, entry >> 19 & 3, entry >> 21 & 3, entry >> 23 & 3, entry >> 25 & 3, default)


def table_operation(entry: int) -> Operation:
    """Return the operation of a VLAN_TABLE entry (5.2)."""
    default = Tag(entry >> 45 & 0xFFF, entry >> 57 & 7, entry >> 60 & 1)
    return Operation(entry >> 34 & 7, entry >> 37 & 3, entry >> 39 & 3, entry >> 41 & 3, entry >> 43 & 3, default)


def egress_operation(entry: int) -> Operation:
    """Return the operation of an EGRESS_PORT_CONFIGURATION entry (5.3)."""
    default = Tag(entry >> 12 & 0xFFF, entry >> 25 & 7, entry >> 24 & 1)
    return Operation(entry >> 1 & 7, entry >> 6 & 3, entry >> 8 & 3, entry >> 10 & 3, entry >> 4 & 3, default)


def apply(operation: Operation, tags: Tags, received: Tags, user_tpid: int, assumptions: Assumptions) -> Tags | None:
    """Return the tags after an operation; None if it drops the frame."""
    if operation.does == Does.REMOVE_ALL:
        return ()
    if operation.does == Does.POP:
        return None if not tags and assumptions["pop-untagged"] == "drop" else tags[1:]
    if operation.does in (Does.PUSH, Does.SWAP):
        looked_at = tags if assumptions["selectors"] == "current" else received
        new = _chosen(operation, looked_at, user_tpid)
        if operation.does == Does.PUSH:
            return (new, *tags)
        if tags:
            return (new, *tags[1:])
        return (new,) if assumptions["swap-untagged"] == "push" else ()
    return tags


def _chosen(operation: Operation, tags: Tags, user_tpid: int) -> Tag:
    tpid = (C_TAG, S_TAG, user_tpid, C_TAG)[operation.type_sel]
    return Tag(
        _select(operation.vid_sel, tags, operation.default).vid,
        _select(operation.pcp_sel, tags, operation.default).pcp,
        _select(operation.dei_sel, tags, operation.default).dei,
        tpid,
    )


def _select(selector: int, tags: Tags, default: Tag) -> Tag:
    if selector == 0 and tags:
        return tags[0]
    if selector == 2 and len(tags) > 1:
        return tags[1]
    return default


class Kind(IntEnum):
    """What a frame is by its tags; a frame is of several kinds at once."""

    C_TAGGED = 0
    S_TAGGED = 1
    SEVERAL_TAGS = 2
    UNTAGGED = 3
    ONE_TAG = 4
    DUAL = 5
    CS = 6
    SC = 7
    CC = 8
    SS = 9


_TWO = {("C", "S"): Kind.CS, ("S", "C"): Kind.SC, ("C", "C"): Kind.CC, ("S", "S"): Kind.SS}


def counted_tags(tags: Tags, assumptions: Assumptions) -> Tags:
    """Return the tags that filters and limits see: a priority tag may not count as one."""
    if tags and not tags[0].vid and assumptions["priority-tag"] == "untagged":
        return tags[1:]
    return tags


def kinds(tags: Tags, s_tpids: frozenset[int]) -> frozenset[Kind]:
    """Return the kinds of a frame with these (counted) tags."""
    if not tags:
        return frozenset((Kind.UNTAGGED,))
    types = ["S" if tag.tpid in s_tpids else "C" for tag in tags]
    found = {Kind.C_TAGGED if types[0] == "C" else Kind.S_TAGGED}
    found.add(Kind.ONE_TAG if len(tags) == 1 else Kind.SEVERAL_TAGS)
    if len(tags) == 2:
        found |= {Kind.DUAL, _TWO[types[0], types[1]]}
    return frozenset(found)


def drops(word: int, bits: dict[Kind, int], found: frozenset[Kind]) -> bool:
    """Return True if a filter word has the bit of one of these kinds set."""
    return any(word >> bits[kind] & 1 for kind in found)


#: Where each filter has its bits: 5.5, 6, and 5.3 with 25.9.
INGRESS_BITS = dict(zip(Kind, (0, 1, 2, 3, 4, 15, 16, 17, 18, 19), strict=True))
PAIR_BITS = dict(zip(Kind, (0, 1, 2, 4, 3, 13, 14, 15, 16, 17), strict=True))
EGRESS_BITS = dict(zip(Kind, (29, 30, 31, 32, 33, 34, 35, 36, 37, 38), strict=True))
