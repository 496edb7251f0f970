"""Addresses and fields of the JL6108 outside its switch core: identity, firmware, MACs, PHYs, counters.

Source: our register reference of the JL6108, whose sections are named at each register. It was gathered from the
vendor's public driver on a mocked bus; nothing in it has been verified on silicon.
"""

from hardware.jl6108.layout import Register

PORTS = 8
#: The chip's numbers of ports and of its own CPU (section 2): front port n is core port n + 1, MAC and PHY n - 1.
CORE_PORTS = 11

# Identity and firmware

CORE_VERSION = Register(
    "TOP_FW_RESERVED5", 0x20004C, "section 1.1", fields={"core": (0, 15), "package": (16, 19), "eco": (20, 23)}
)
BOOT_STATE = Register("TOP_FW_RESERVED7", 0x200054, "section 1.1")
PATCH_VERSION = Register("TOP_FW_RESERVED15", 0x200074, "section 1.1")
WATCHDOG = Register("TOP_FW_RESERVED12", 0x200068, "section 4.5", fields={"starve": (0, 0), "feed": (2, 2)})
HANDS_OFF = Register("TOP_FW_RESERVED14", 0x200070, "section 4.4; 1 = the firmware leaves it alone")
HEARTBEAT = Register("TOP_FW_RESERVED26", 0x2000A0, "section 4.4; counts while the firmware runs")
SCRATCH = Register("SWC_SWC_SCRATCH_REG", 0x124014, "section 1.1; nobody else uses it")
CORE_SCRATCH = Register("SWCORE_SCRATCH", 0x10000C, "section 1.1", words=2)
# HANDS_OFF bits (section 4.4). Bit c below 11 is the link follow-up of core port c.
ISOLATION_JOB = 1 << 16
STORM_JOB = 1 << 17
SHAPER_JOB_BIT = 18  # plus the core port

# BOOT_STATE (section 1.1). Anything else: the firmware is not up.
NORMAL_BOOT = 0x00160000
RTOS_BOOT = 0x00130000
PATCH_BOOT = 0x00040000  # up only if PATCH_VERSION is not zero

#: CORE_VERSION bits 15:0 and 19:16 of the chips that this driver knows (section 1.1).
CHIPS = {(0x6108, 1): "JL6108", (0x6110, 0): "JL6110"}

# MACs: index 0 to 7 is front port 1 to 8

LINK_STATUS = Register(
    "LMAC_ADP_TX_MII_MON",
    0x1420FC,
    "section 7.1",
    stride=0x400,
    count=PORTS,
    fields={"link": (1, 1), "pause": (20, 21), "speed": (24, 25), "full_duplex": (28, 28)},
)
MAC_STATUS = Register(
    "LMAC_ADP_TX_IFM_MON",
    0x142108,
    "section 7.1",
    stride=0x400,
    count=PORTS,
    fields={
        **{"rx_pause": (0, 0), "tx_pause": (1, 1), "speed": (2, 4), "full_duplex": (5, 5), "link": (6, 6)},
        **{"tx_enabled": (7, 7), "rx_enabled": (8, 8)},
    },
)
IFM_CONTROL = Register(
    "LMAC_ADP_IFM_CONTROL",
    0x142040,
    "section 7.5 and 25 item 20",
    words=2,
    stride=0x400,
    count=PORTS,
    fields={
        **{"force_link": (0, 0), "link": (1, 1), "force_duplex": (6, 6), "full_duplex": (7, 7)},
        **{"force_speed": (8, 8), "speed": (9, 12)},
    },
)
LINK_CONTROL = Register(
    "LMAC_ADP_LINK_CONTROL",
    0x142048,
    "sections 7.3, 7.4, 7.6",
    words=2,
    stride=0x400,
    count=PORTS,
    fields={"force_rx_pause": (6, 6), "rx_pause": (7, 7), "force_tx_pause": (8, 8), "tx_pause": (9, 9)},
)
SPEEDS_MBPS = (10, 100, 1000, 0)  # LINK_STATUS bits 25:24; 3 has no meaning (section 7.1)
IFM_SPEEDS = {10: 0xC, 100: 0xD, 1000: 0xE}  # IFM_CONTROL bits 12:9 (section 7.5)

# PHYs: index as MACs, bit layouts of IEEE 802.3 clause 22

BMCR = Register(
    "PHG_GEPHY_BMCR",
    0x244000,
    "sections 7.1 to 7.4",
    stride=0x4000,
    count=PORTS,
    fields={
        **{"speed_high": (6, 6), "full_duplex": (8, 8), "restart": (9, 9), "power_down": (11, 11)},
        **{"autonegotiation": (12, 12), "speed_low": (13, 13)},
    },
)
ANAR = Register(
    "PHG_GEPHY_ANAR",
    0x244010,
    "section 7.3",
    stride=0x4000,
    count=PORTS,
    fields={
        **{"half_10": (5, 5), "full_10": (6, 6), "half_100": (7, 7), "full_100": (8, 8)},
        **{"pause": (10, 10), "asymmetric_pause": (11, 11)},
    },
)
GBCR = Register(
    "PHG_GEPHY_GBCR",
    0x244024,
    "section 7.3",
    stride=0x4000,
    count=PORTS,
    fields={"half_1000": (8, 8), "full_1000": (9, 9)},
)

# Counters of a port (section 8.1): 37 words from this address, and the two words that rule them

MIB = Register("LMAC_ADP_TX_PKT_CNT", 0x142058, "section 8.1", words=37, stride=0x400, count=PORTS)
MIB_CLEAR = Register(
    "LMAC_ADP_STATISTIC_MODE_1",
    0x1420F0,
    "section 8.1 and 25 item 22",
    stride=0x400,
    count=PORTS,
    fields={"clear": (0, 0), "counter": (4, 11)},
)


def chip_name(core_version: int) -> str | None:
    """The chip that a CORE_VERSION word belongs to; None if to none that we know."""
    return CHIPS.get((CORE_VERSION.get(core_version, "core"), CORE_VERSION.get(core_version, "package")))


def link_is_up(status: int) -> bool:
    return bool(LINK_STATUS.get(status, "link"))


def link_mbps(status: int) -> int:
    return SPEEDS_MBPS[LINK_STATUS.get(status, "speed")]


def link_is_full_duplex(status: int) -> bool:
    return bool(LINK_STATUS.get(status, "full_duplex"))
