"""Ethernet frames as far as a switch looks at them."""

from typing import NamedTuple

#: Ethertypes of tags (IEEE 802.1Q-2022, table 9-1).
C_TAG, S_TAG = 0x8100, 0x88A8
#: The address of everybody (IEEE 802.3-2022, section 3.2.3.1).
BROADCAST = 0xFFFFFFFFFFFF
#: Bit 40 of an address written as a number: the group bit of its first octet.
GROUP_BIT = 1 << 40
#: Ethertypes that filters know by name (IANA's list of IEEE 802 numbers).
IPV4, IPV6, MPLS = 0x0800, 0x86DD, (0x8847, 0x8848)


class Tag(NamedTuple):
    """A VLAN tag. VID 0 is a priority tag."""

    vid: int
    pcp: int = 0
    dei: int = 0
    tpid: int = C_TAG


class Frame(NamedTuple):
    """A frame: its tags from the outside in, its addresses as numbers, and its size in bytes without tags."""

    tags: tuple[Tag, ...] = ()
    dst: int = BROADCAST
    src: int = 0x020000000001
    ethertype: int = IPV4
    size: int = 64

    @property
    def wire_bytes(self) -> int:
        """Bytes on the wire, tags included."""
        return self.size + 4 * len(self.tags)


def tagged(*vids: int, **fields: int) -> Frame:
    """Return a frame with C-tags of these VIDs, the outermost first; none: untagged."""
    return Frame(tuple(Tag(vid) for vid in vids), **fields)


def parse_mac(text: str) -> int:
    """Return the number of an address like 02:00:00:00:00:01. Raises ValueError."""
    octets = text.split(":")
    if len(octets) != 6 or not all(len(octet) == 2 for octet in octets):
        raise ValueError(f"An address is six octets like 02:00:00:00:00:01, not {text!r}.")
    try:
        return int("".join(octets), 16)
    except ValueError:
        raise ValueError(f"An address is six octets like 02:00:00:00:00:01, not {text!r}.") from None
