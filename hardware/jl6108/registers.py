"""Addresses and fields of the JL6108, as far as we use them.

Source: our register reference of the JL6108, whose sections are named at each register. It was gathered from the
vendor's public driver on a mocked bus; nothing in it has been verified on silicon.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Register:
    """A 32-bit register: a byte address, and for a register that each port has, the distance to the next port's."""

    name: str
    address: int
    source: str
    stride: int = 0

    def at(self, index: int) -> int:
        return self.address + self.stride * index


CORE_VERSION = Register("TOP_FW_RESERVED5", 0x20004C, "section 1.1")
BOOT_STATE = Register("TOP_FW_RESERVED7", 0x200054, "section 1.1")
PATCH_VERSION = Register("TOP_FW_RESERVED15", 0x200074, "section 1.1")
LINK_STATUS = Register(
    "LMAC_ADP_TX_MII_MON", 0x1420FC, "section 7.1; MAC index 0 to 7 is front port 1 to 8", stride=0x400
)

# BOOT_STATE (section 1.1). Anything else: the firmware is not up.
NORMAL_BOOT = 0x00160000
RTOS_BOOT = 0x00130000
PATCH_BOOT = 0x00040000  # up only if PATCH_VERSION is not zero

#: CORE_VERSION bits 15:0 and 19:16 of the chips that this driver knows (section 1.1).
CHIPS = {(0x6108, 1): "JL6108", (0x6110, 0): "JL6110"}

PORTS = 8
SPEEDS_MBPS = (10, 100, 1000, 0)  # LINK_STATUS bits 25:24; 3 has no meaning (section 7.1)


def chip_name(core_version: int) -> str | None:
    """The chip that a CORE_VERSION word belongs to; None if to none that we know."""
    return CHIPS.get((core_version & 0xFFFF, core_version >> 16 & 0xF))


def link_is_up(status: int) -> bool:
    return bool(status >> 1 & 1)


def link_mbps(status: int) -> int:
    return SPEEDS_MBPS[status >> 24 & 3]


def link_is_full_duplex(status: int) -> bool:
    return bool(status >> 28 & 1)
