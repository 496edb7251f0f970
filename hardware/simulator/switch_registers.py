"""The JL6108's words: where they are, what they hold after reset, and which of their bits mean something.

Written from jl6108.md alone; each block names its section there. Reset values not marked [vector] are 0 for want of
better knowledge; those of words that running firmware fills are what the firmware leaves behind (4.2).
"""

from bisect import bisect_right
from functools import lru_cache
from typing import NamedTuple

CORES, FRONTS = 11, 8
MAC_BASE, MAC_STRIDE = 0x142000, 0x400
PHY_BASE, PHY_STRIDE = 0x244000, 0x4000
LMAC_BASE, LMAC_STRIDE = 0x140400, 0x200
#: Bit 18 of CCS_INT_STATUS: ida error (3.1). Cleared by writing ones [inferred from the chip's other blocks].
INT_STATUS, IDA_ERROR = 0x201004, 1 << 18
MII_MON, IFM_MON, PHYSR, BMCR, BMSR = 0x1420FC, 0x142108, 0x2441C0, 0x244000, 0x244004
ANAR, GBCR = 0x244010, 0x244024
IFM_CONTROL, LINK_CONTROL, RMA_PASS = 0x142040, 0x142048, 0x142050
MAC_INT, PHY_INT = 0x142004, 0x2441CC
MIB, MIB_WORDS, MIB_MODE, MIB_CLEAR = 0x142058, 37, 0x1420EC, 0x1420F0
MAILBOX, WATCHDOG, HEARTBEAT = 0x200070, 0x200068, 0x2000A0
TOP_SCRATCH, CCS_SCRATCH = 0x2000E0, 0x201028
VLAN_TABLE, SOURCE_PORT, EGRESS_PORT = 0x1064FC, 0x11F3B0, 0x122720
INGRESS_FILTER, PAIR_FILTER = 0x11F354, 0x11EEA0
TPID_INGRESS, TPID_EGRESS = 0x11F38C, 0x12289C
HAIRPIN, OUTPUT_MIRROR = 0x11EECC, 0x122870
STP_EGRESS, MSTP_INGRESS, MSTP_EGRESS, RMA_ACTION = 0x11F7F0, 0x10E4FC, 0x11E9DC, 0x1044CC
AGING, SHADOW, LOOKUP, DESTINATION = 0x10E99C, 0x100458, 0x11299C, 0x11A99C
AGING_CAM, SHADOW_CAM, LOOKUP_CAM, MULTICAST = 0x11EFF8, 0x100418, 0x11F818, 0x11EEF8
L2_ENABLE, LEARNED_AS, TIME_TO_AGE, PORT_MOVE = 0x1003E0, 0x1003E4, 0x100410, 0x11F3A0
#: Answer and search data of the range tables of 5.6, with the words of one search entry.
MAC_RANGES, OUTER_RANGES, INNER_RANGES, TYPE_RANGES = (
    (0x1064CC, 0x11F720, 4),
    (0x1064DC, 0x1202B8, 2),
    (0x1064EC, 0x120298, 2),
    (0x11F2CC, 0x120278, 2),
)


class Block(NamedTuple):
    """`entries` times `words`, one every `stride` bytes; `words` are the values after reset.

    `defined` has the bits of each word that mean something (empty: all of them); `name` is what a block is known by
    that does more than keep its words.
    """

    base: int
    words: tuple[int, ...] = (0,)
    entries: int = 1
    source: str = ""
    defined: tuple[int, ...] = ()
    is_writable: bool = True
    name: str = ""
    stride: int = 0

    @property
    def step(self) -> int:
        """Bytes from one entry to the next."""
        return self.stride or 4 * len(self.words)


class Place(NamedTuple):
    """Where an address is: the block, the number of the entry and of the word in it, and that word's reset value."""

    block: Block
    entry: int
    word: int
    reset: int
    defined: int


_ALL = 0xFFFFFFFF
_MASK = (0x7FF,)
_COUNT = (0xFFFFFF,)


def _per_core(base: int, source: str, defined: tuple[int, ...] = (), reset: int = 0, name: str = "") -> Block:
    return Block(base, (reset,), CORES, source, defined, name=name)


#: What running firmware shows of itself, 0x20004C first: identity, boot state (RTOS), version.
FIRMWARE_WORDS = {0x20004C: 0x00016108, 0x200054: 0x00130000, 0x200074: 0x00000001, 0x2000D0: 0x00000001}
#: A chip of the JL6105/6107 family, whose tables lie elsewhere (section 20); what it shows here is [inferred].
OTHER_CHIP_WORDS = {0x20004C: 0x00006107}

_IDENTITY = (
    *(Block(address, (word,), source="1.1", is_writable=False) for address, word in FIRMWARE_WORDS.items()),
    Block(0x200000, source="3.5 TOP_STRAP_STATUS", is_writable=False),
    Block(WATCHDOG, (4,), source="4.5 FW_RESERVED12 [vector]", name="WATCHDOG"),
    Block(MAILBOX, (0x0FFE0000,), source="4.4 FW_RESERVED14 [vector]", name="MAILBOX"),
    Block(0x200088, source="4.4"),
    Block(HEARTBEAT, source="4.4 FW_RESERVED26", is_writable=False, name="HEARTBEAT"),
    Block(0x2000BC, source="3.5 FW_STRAP_INFO", is_writable=False),
    Block(0x2000DC, source="1.1 TOP_CHIP_ID", is_writable=False),
    Block(TOP_SCRATCH, source="1.1 TOP_TOP_SCRATCH"),
    Block(0x201000, source="19 CCS_CHIP_INT", is_writable=False),
    Block(INT_STATUS, source="3.1 CCS_INT_STATUS", name="CLEARED_BY_ONES"),
    Block(0x201018, (0x5C << 6,), source="3.2 CCS_MODE_CFG"),
    Block(0x201020, (0, 0), source="3.2, 3.4 CCS_EIFS"),
    Block(CCS_SCRATCH, source="1.1 CCS_CCS_SCRATCH_REG"),
    Block(0x202004, (_ALL,), source="4.5 CRG_COMMON_RSTN"),
    Block(0x202024, source="4.4 CRG_CCS_RST"),
    Block(0x204014, (0, 0), source="3.5 PMX_PIN_MUX_5, _6"),
    Block(0x124000, (1,), source="4.1 SWC_SWC_INIT_STATUS", is_writable=False),
    Block(0x124014, source="1.1 SWC_SWC_SCRATCH_REG", name="SCRATCH"),
    Block(0x100000, source="1.1 SWCORE_CORE_VERSION", is_writable=False),
    Block(0x100004, (730,), source="14 free cells", is_writable=False),
    Block(0x100008, (0x00050019,), source="11 TICK_CONFIGURATION [vector]"),
    Block(0x10000C, (0, 0), source="1.1 SWCORE_SCRATCH"),
    _per_core(0x100014, "7.8 MAC_RX_MAXIMUM_PACKET_LENGTH", (0xFFFFFF,)),
)
_COUNTERS = (
    *(_per_core(base, "8.2", _COUNT) for base in (0x100040, 0x10006C, 0x100098, 0x104458, 0x121738, 0x121764)),
    *(_per_core(base, "8.2", _COUNT) for base in (0x121790, 0x1217BC, 0x121850, 0x122664, 0x122690, 0x1226BC)),
    _per_core(0x1226E8, "8.2", _COUNT),
    Block(0x104484, (0,), 16, "8.2", _COUNT),
    *(Block(base, (0,), 1, "8.2", _COUNT) for base in (0x122714, 0x121880, 0x121884, 0x1218B4, 0x10025C)),
    Block(0x1228A4, (0, 0), CORES, "8.2 PS errors"),
)
_VLAN = (
    Block(VLAN_TABLE, (0x7FF, 0), 4096, "5.2 [vector]", (_ALL, 0x1FFFFFFF), name="VLAN_TABLE"),
    Block(SOURCE_PORT, (0x9, 0x40000, 0, 0), CORES, "5.1 [vector]", (_ALL, _ALL, 0x1FF, 0)),
    Block(EGRESS_PORT, (0, 0), CORES, "5.3", (_ALL, 0x7F)),
    _per_core(INGRESS_FILTER, "5.5", (0xFFFFF,)),
    _per_core(PAIR_FILTER, "6", (0x1FFFFFFF,), name="PAIR_FILTER"),
    Block(TPID_INGRESS, source="5.4", defined=(0x3FFFF,)),
    Block(TPID_EGRESS, source="5.4", defined=(0xFFFF,)),
    *(Block(answer, (0,), 4, "5.6", (0x3FFF,)) for answer, _, _ in (MAC_RANGES, OUTER_RANGES, INNER_RANGES)),
    Block(TYPE_RANGES[0], (0,), 4, "5.6", (0x3FFF,)),
    Block(MAC_RANGES[1], (0, 0, 0, 0), 4, "5.6", (_ALL, _ALL, _ALL, 0xFFF), name="RANGES"),
    *(Block(search, (0, 0), 4, "5.6", (_ALL, 0xF), name="RANGES") for search in (OUTER_RANGES[1], INNER_RANGES[1])),
    Block(TYPE_RANGES[1], (0, 0), 4, "5.6", (_ALL, 0x7FF), name="RANGES"),
)
_L2 = (
    Block(AGING, (0,), 4096, "10", (7,), name="AGING"),
    Block(SHADOW, (0,), 4096, "10", (1,)),
    Block(LOOKUP, (0, 0), 4096, "10", (_ALL, 0xFFFFFFF)),
    Block(DESTINATION, (0,), 4112, "10", (0xFF,)),
    Block(MULTICAST, (0x7FF,), 64, "10 [vector]", _MASK),
    Block(LOOKUP_CAM, (0, 0), 16, "10", (_ALL, 0xFFFFFFF)),
    Block(AGING_CAM, (0,), 16, "10", (7,), name="AGING"),
    Block(SHADOW_CAM, (0,), 16, "10", (7,)),
    Block(0x11F7F8, (0, 0), 4, "10 L2_LOOKUP_COLLISION_TABLE_MASKS"),
    Block(L2_ENABLE, (3,), source="10 [vector]", defined=(3,), name="AGEING_TIME"),
    # Valid and hit: what learned entries hold in the vector fdb_static_existing.
    _per_core(LEARNED_AS, "10 DEFAULT_LEARNING_STATUS", (7,), reset=5),
    Block(TIME_TO_AGE, (0x00030D40, 3), source="10 [vector]", defined=(_ALL, 7), name="AGEING_TIME"),
    Block(PORT_MOVE, source="10 PORT_MOVE_OPTIONS", defined=_MASK),
    Block(0x11F3A4, source="10 L2_MULTICAST_HANDLING", defined=(0xF,)),
    _per_core(HAIRPIN, "10 HAIRPIN_ENABLE", (7,)),
    _per_core(OUTPUT_MIRROR, "9 OUTPUT_MIRRORING_TABLE", (0x1F,)),
    Block(STP_EGRESS, (0, 0), source="15 EGRESS_SPANNING_TREE_STATE", defined=(_ALL, 1)),
    Block(MSTP_INGRESS, (0,), 16, "15", (0x3FFFFF,)),
    Block(MSTP_EGRESS, (0,), 16, "15", (0x3FFFFF,)),
)
_TRAFFIC = (
    *(_per_core(base + 0x88 * group, "11") for group in range(3) for base in (0x1000C4, 0x1000F0, 0x10011C)),
    *(Block(base, source="11 enable", defined=_MASK) for base in (0x100148, 0x1001D0, 0x100258)),
    Block(0x100260, (0, 0, 0, 0), 16, "12 TOKEN_BUCKET"),
    Block(0x100360, (0,), 16, "12 reset"),
    Block(0x1048CC, (0,), 128, "12 INITIAL_POINTER", (0x7F,)),
    *(_per_core(base, "12 shaper") for base in (0x1225D0, 0x1225FC, 0x122628)),
    Block(0x122654, source="12 shaper enable", defined=_MASK),
    *(Block(base, (0,), 88, "12 queues") for base in (0x121D70, 0x121ED0, 0x122030, 0x1221A0, 0x122300, 0x122460)),
    *(Block(base, (0, 0, 0), source="12 queues enable") for base in (0x122190, 0x1225C0)),
    Block(0x11F388, source="13 LINK_AGGREGATION_CTRL", defined=(0x7F,)),
    _per_core(0x11EA1C, "13 MEMBERSHIP", (0xF,)),
    _per_core(0x11EA48, "14 q_on [vector]", (0xFF,), reset=0xFF),
    _per_core(0x11EA74, "13 TO_PHYSICAL", _MASK),
    Block(0x11EAA0, (0,), 256, "13 WEIGHT", _MASK),
    *(_per_core(base, "14") for base in (0x11F248, 0x11F274, 0x11F2A0, 0x121888, 0x1217F0)),
    Block(0x11F9F8, (0, 0), 8, "14 PCP to queue"),
    Block(0x11FA78, (0, 0), 256, "14 TOS to queue"),
    Block(0x1217E8, source="4.1"),
    Block(0x12181C, (0,), 5, "4.1"),
    Block(0x12187C, source="14 PACKET_BUFFER_STATUS", is_writable=False),
    *(_per_core(base, "7.6") for base in (0x121914, 0x121940, 0x121978, 0x1219A4, 0x1219D0)),
    Block(0x121C10, (0,), 88, "14 weights", (0xFF,)),
    Block(0x122660, source="14 DRAIN_PORT", defined=_MASK),
    Block(RMA_ACTION, (0,), 256, "18", (0x3FFFFF,)),
    Block(0x11F7E0, (0, 0), source="18 SEND_TO_CPU"),
    Block(0x1202D8, (0,) * 8, source="18 LLDP"),
    Block(0x1228A0, source="18 CPU tag"),
    Block(0x11F39C, source="18 FORWARD_FROM_CPU"),
    *(Block(base, source="16 MAG") for base in (0x144808, 0x14480C, 0x144810, 0x144818, 0x14481C, 0x144820)),
    Block(0x144830, (0, 0), source="16 MAG"),
    *(Block(base, source="16 MAG") for base in (0x144838, 0x14483C)),
    Block(0x144C0C, (0,), 7, "17 LED"),
    Block(0x144C2C, (0,), 3, "17 LED"),
)


def _mac(offset: int, source: str, words: tuple[int, ...] = (0,), name: str = "", is_writable: bool = True) -> Block:
    return Block(MAC_BASE + offset, words, FRONTS, source, (), is_writable, name, MAC_STRIDE)


def _phy(offset: int, source: str, reset: int = 0, name: str = "", is_writable: bool = True) -> Block:
    return Block(PHY_BASE + offset, (reset,), FRONTS, source, (), is_writable, name, PHY_STRIDE)


#: The blocks of the front ports, which lie between one another.
_PORTS = (
    _mac(0x000, "7.8 MAC_MODER"),
    _mac(0x004, "19 INT_STATUS", name="CLEARED_BY_ONES"),
    _mac(0x008, "19 interrupt enable"),
    _mac(0x018, "16 RX_LOOP_FRAME_CONTROL", (0, 0)),
    _mac(0x040, "7.5 IFM_CONTROL", (0, 0), name="LINK"),
    _mac(0x048, "7.4 LINK_CONTROL", (0, 0)),
    _mac(0x050, "25.28 RMA_DROP_MASK", (0, 0)),
    _mac(0x058, "8.1 port MIB", (0,) * MIB_WORDS, name="MIB", is_writable=False),
    _mac(0x0EC, "8.1 STATISTIC_MODE_0 [vector]", (0x01FFFFF0,)),
    _mac(0x0F0, "8.1 STATISTIC_MODE_1", name="MIB_CLEAR"),
    _mac(0x0FC, "7.1 LMAC_ADP_TX_MII_MON", is_writable=False),
    _mac(0x108, "7.1 LMAC_ADP_TX_IFM_MON", is_writable=False),
    _phy(0x000, "7.1 BMCR [vector]", 0x1140, name="LINK"),
    # 0x7949: 10, 100 and extended abilities, auto-negotiation able; bits 2 and 5 follow the link (IEEE 802.3 22.2.4.2).
    _phy(0x004, "7.1 BMSR", 0x7949, is_writable=False),
    *(_phy(offset, "7.1 PHYID, ANLPAR, ANER", is_writable=False) for offset in (0x08, 0x0C, 0x14, 0x18)),
    _phy(0x010, "7.1 ANAR [vector]", 0x0DE1),
    _phy(0x024, "7.1 GBCR [vector]", 0x0300),
    *(_phy(offset, "7.1 GBSR, GBESR", is_writable=False) for offset in (0x28, 0x3C)),
    _phy(0x1A0, "19 INER"),
    _phy(0x1BC, "7.7 PHYCR2"),
    _phy(0x1C0, "7.1 PHYSR", is_writable=False),
    _phy(0x1CC, "19 INSR"),
    _phy(0x678, "7.7 EEEPS1R", is_writable=False),
    Block(LMAC_BASE, (0,), FRONTS, "7.9 LMAC_MAC_CONFIG", stride=LMAC_STRIDE),
)
_TABLES = sorted((*_IDENTITY, *_COUNTERS, *_VLAN, *_L2, *_TRAFFIC), key=lambda block: block.base)
_BASES = [block.base for block in _TABLES]
BLOCKS = (*_TABLES, *_PORTS)


# Whoever is on the bus reads the same few hundred words again and again; a scan of the tables passes them once.
#: Room for the words of every VLAN, of which a scan asks one after the other, and for all others.
_WORDS = 16384


@lru_cache(maxsize=_WORDS)
def find(address: int) -> Place | None:
    """Return where an address is; None for one that jl6108.md does not describe."""
    index = bisect_right(_BASES, address) - 1
    place = _within(_TABLES[index], address) if index >= 0 else None
    for block in _PORTS if place is None else ():
        place = place or _within(block, address)
    return place


def _within(block: Block, address: int) -> Place | None:
    entry, offset = divmod(address - block.base, block.step)
    word = offset >> 2
    if not 0 <= entry < block.entries or offset & 3 or word >= len(block.words):
        return None
    return Place(block, entry, word, block.words[word], block.defined[word] if block.defined else _ALL)


@lru_cache(maxsize=_WORDS)
def reset_word(address: int) -> int:
    """Return what a declared address holds after reset. Raises LookupError."""
    place = find(address)
    if place is None:
        raise LookupError(f"register 0x{address:06X} is not declared")
    return place.reset
