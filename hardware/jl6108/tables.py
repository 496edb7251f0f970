"""Addresses and fields of the JL6108's switch core: VLANs, ports, isolation, mirror, addresses, rates.

Source: our register reference of the JL6108, whose sections are named at each register; what section 25 corrects is
taken from there. None of it has been verified on silicon. Tables of ports are indexed by core port.
"""

from hardware.jl6108.layout import Register
from hardware.jl6108.registers import CORE_PORTS

VIDS = 4096

VLAN = Register(
    "SWCORE_VLAN_TABLE",
    0x1064FC,
    "section 5.2",
    words=2,
    stride=8,
    count=VIDS,
    fields={
        **{"members": (0, 10), "fid": (11, 22), "policer_valid": (23, 23), "policer": (24, 27)},
        **{"policer_order": (28, 29), "spanning_tree": (30, 33), "operation": (34, 36), "vid_choice": (37, 38)},
        **{"dei_choice": (39, 40), "pcp_choice": (41, 42), "type_choice": (43, 44), "vid": (45, 56), "pcp": (57, 59)},
        "dei": (60, 60),
    },
)
SOURCE_PORT = Register(
    "SWCORE_SOURCE_PORT_TABLE",
    0x11F3B0,
    "section 5.1",
    words=4,
    stride=16,
    count=CORE_PORTS,
    fields={
        **{
            "learning": (0, 0),
            "drop_unknown": (1, 1),
            "use_acl": (3, 3),
            "operation": (16, 18),
            "vid_choice": (19, 20),
        },
        **{"dei_choice": (21, 22), "pcp_choice": (23, 24), "type_choice": (25, 26), "assignment": (27, 28)},
        **{"default_vid": (29, 40), "default_vid_order": (41, 42), "default_dei": (43, 43), "default_pcp": (44, 46)},
        **{"fewest_vlans": (47, 48), "most_vlans": (49, 50), "mirrored": (52, 52), "mirror_to": (53, 56)},
        **{"spanning_tree": (57, 59), "ignores_vid": (60, 60), "ignored_vid": (61, 72)},
    },
)
EGRESS_PORT = Register(
    "SWCORE_EGRESS_PORT_CONFIGURATION",
    0x122720,
    "section 5.3 and 25 item 9",
    words=2,
    stride=8,
    count=CORE_PORTS,
    fields={
        **{"operation": (1, 3), "type_choice": (4, 5), "vid_choice": (6, 7), "dei_choice": (8, 9)},
        **{"pcp_choice": (10, 11), "vid": (12, 23), "dei": (24, 24), "pcp": (25, 27), "disabled": (28, 28)},
        **{"drop_c_tagged": (29, 29), "drop_s_tagged": (30, 30), "drop_many_tags": (31, 31), "drop_untagged": (32, 32)},
        **{"drop_single_tagged": (33, 33)},
    },
)
FRAME_FILTER = Register(
    "SWCORE_INGRESS_PORT_PACKET_TYPE_FILTER",
    0x11F354,
    "section 5.5",
    stride=4,
    count=CORE_PORTS,
    fields={
        **{"drop_c_tagged": (0, 0), "drop_s_tagged": (1, 1), "drop_many_tags": (2, 2), "drop_untagged": (3, 3)},
        **{"drop_single_tagged": (4, 4)},
    },
)
ISOLATION = Register(
    "SWCORE_INGRESS_EGRESS_PORT_PACKET_TYPE_FILTER",
    0x11EEA0,
    "section 6; index is the destination; the firmware writes bits 12:10",
    stride=4,
    count=CORE_PORTS,
    fields={"sources": (18, 28)},
)
OUTPUT_MIRROR = Register(
    "SWCORE_OUTPUT_MIRRORING_TABLE",
    0x122870,
    "section 9",
    stride=4,
    count=CORE_PORTS,
    fields={"mirrored": (0, 0), "mirror_to": (1, 4)},
)

#: Frames that the core dropped, a counter of 24 bits for each reason (section 8.2), all of one burst.
DROPS = Register("SWCORE_DROP_COUNTERS", 0x104484, "section 8.2", words=16)
DROPS_MASK = 0xFFFFFF

# VIDs from ranges of addresses, VIDs and types (section 5.6): the answer, and what it is the answer to

_ANSWER = {"vid": (0, 11), "order": (12, 13)}
_VIDS = {"ports": (0, 10), "flag": (11, 11), "start": (12, 23), "end": (24, 35)}
_MACS = {"ports": (0, 10), "flag": (11, 11), "start": (12, 59), "end": (60, 107)}
_TYPES = {"ports": (0, 10), "start": (11, 26), "end": (27, 42)}


def _range(name: str, answer: int, search: int, words: int, fields: dict[str, tuple[int, int]]) -> tuple[Register, ...]:
    return (
        Register(f"SWCORE_{name}_RANGE_ANSWER", answer, "section 5.6", stride=4, count=4, fields=_ANSWER),
        Register(f"SWCORE_{name}_RANGE", search, "section 5.6", words=words, stride=4 * words, count=4, fields=fields),
    )


MAC_RANGE = _range("MAC", 0x1064CC, 0x11F720, 4, _MACS)
OUTER_VID_RANGE = _range("OUTER_VID", 0x1064DC, 0x1202B8, 2, _VIDS)
INNER_VID_RANGE = _range("INNER_VID", 0x1064EC, 0x120298, 2, _VIDS)
TYPE_RANGE = _range("ETHERTYPE", 0x11F2CC, 0x120278, 2, _TYPES)

# Addresses (section 10): four ways of 1024 buckets, and 16 slots for what does not fit

BUCKETS = 1024
WAYS = 4
ADDRESSES = BUCKETS * WAYS
COLLISIONS = 16
_AGE = {"valid": (0, 0), "static": (1, 1), "hit": (2, 2)}
_LOOKUP = {"mac": (0, 47), "fid": (48, 59)}
AGE = Register("SWCORE_L2_AGING_TABLE", 0x10E99C, "section 10", stride=4, count=ADDRESSES, fields=_AGE)
AGE_SHADOW = Register("SWCORE_L2_AGING_STATUS_SHADOW_TABLE", 0x100458, "section 10", stride=4, count=ADDRESSES)
LOOKUP = Register(
    "SWCORE_L2_DA_HASH_LOOKUP_TABLE", 0x11299C, "section 10", words=2, stride=8, count=ADDRESSES, fields=_LOOKUP
)
DESTINATION = Register(
    "SWCORE_L2_DESTINATION_TABLE",
    0x11A99C,
    "section 10",
    stride=4,
    count=ADDRESSES + COLLISIONS,
    fields={"unicast": (0, 0), "port": (1, 6), "drop": (7, 7)},
)
MULTICAST = Register("SWCORE_L2_MULTICAST_TABLE", 0x11EEF8, "section 10", stride=4, count=64, fields={"ports": (0, 10)})
FREE_MULTICAST = 0x7FF
COLLISION_AGE = Register(
    "SWCORE_L2_AGING_COLLISION_TABLE", 0x11EFF8, "section 10", stride=4, count=COLLISIONS, fields=_AGE
)
COLLISION_SHADOW = Register(
    "SWCORE_L2_AGING_COLLISION_SHADOW_TABLE", 0x100418, "section 10 and 25 item 23", stride=4, count=COLLISIONS
)
COLLISION_LOOKUP = Register(
    "SWCORE_L2_LOOKUP_COLLISION_TABLE", 0x11F818, "section 10", words=2, stride=8, count=COLLISIONS, fields=_LOOKUP
)
LEARNING = Register(
    "SWCORE_LEARNING_AND_AGING_ENABLE", 0x1003E0, "section 10", fields={"learning": (0, 0), "ageing": (1, 1)}
)
TIME_TO_AGE = Register(
    "SWCORE_TIME_TO_AGE", 0x100410, "section 10", words=2, fields={"count": (0, 31), "tick": (32, 34)}
)

# Rates (sections 11 and 12), indexed by the egress core port

TICKS = Register("SWCORE_TICK_CONFIGURATION", 0x100008, "section 11", fields={"divider": (0, 14), "step": (15, 18)})
_RATE = {"packets": (0, 0), "tokens": (1, 12), "tick": (13, 15), "gap": (16, 23)}
_BUCKET = {"size": (0, 15)}


def _rates(name: str, rate: int, capacity: int, threshold: int, enable: int, source: str) -> tuple[Register, ...]:
    return (
        Register(f"{name}_RATE_CONFIGURATION", rate, source, stride=4, count=CORE_PORTS, fields=_RATE),
        Register(f"{name}_BUCKET_CAPACITY", capacity, source, stride=4, count=CORE_PORTS, fields=_BUCKET),
        Register(f"{name}_BUCKET_THRESHOLD", threshold, source, stride=4, count=CORE_PORTS, fields=_BUCKET),
        Register(f"{name}_ENABLE", enable, source, fields={"ports": (0, 10)}),
    )


BROADCAST_STORM = _rates("SWCORE_L2_BROADCAST_STORM_CONTROL", 0x1000C4, 0x1000F0, 0x10011C, 0x100148, "section 11")
MULTICAST_STORM = _rates("SWCORE_L2_MULTICAST_STORM_CONTROL", 0x10014C, 0x100178, 0x1001A4, 0x1001D0, "section 11")
FLOODING_STORM = _rates("SWCORE_L2_FLOODING_STORM_CONTROL", 0x1001D4, 0x100200, 0x10022C, 0x100258, "section 11")
PORT_SHAPER = _rates("SWCORE_PORT_SHAPER", 0x1225D0, 0x1225FC, 0x122628, 0x122654, "section 12 and 25 item 25")
