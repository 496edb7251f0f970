"""The 32-bit words behind the JL6108's bridge: those that the board's notes describe, and an error for any other.

Addresses, bits and reset values: jl6108.md sections 1.1, 3.2, 4.1, 7.1. Words filled by firmware read 0 until it runs.
"""

from typing import NamedTuple

#: Bit 18 of CCS_INT_STATUS: ida error (jl6108.md 3.1). Cleared by writing ones [inferred from the chip's other blocks].
INT_STATUS, IDA_ERROR = 0x201004, 1 << 18
#: Speed codes of the status words (7.1).
_SPEED_CODE = {10: 0, 100: 1, 1000: 2}


class UndeclaredAddress(Exception):
    """An access to a word that this model does not know, or that the bridge cannot do."""


class Block(NamedTuple):
    """`entries` times `words`, one every `stride` bytes; `words` are the values after reset."""

    base: int
    words: tuple[int, ...]
    stride: int = 4
    entries: int = 1
    is_writable: bool = False
    source: str = ""

    def word_at(self, address: int) -> int | None:
        """Return the number of the word within its entry, or None when the address is not of this block."""
        entry, offset = divmod(address - self.base, self.stride)
        if 0 <= entry < self.entries and offset % 4 == 0 and offset // 4 < len(self.words):
            return offset // 4
        return None


#: What running firmware shows of itself, 0x20004C first: identity, boot state (RTOS), version.
FIRMWARE_WORDS = {0x20004C: 0x00016108, 0x200054: 0x00130000, 0x200074: 0x00000001, 0x2000D0: 0x00000001}
#: A chip of the JL6105/6107 family, whose tables lie elsewhere (jl6108.md 20); what it shows here is [inferred].
OTHER_CHIP_WORDS = {0x20004C: 0x00006107}
MII_MON, IFM_MON, PHYSR, BMSR = 0x1420FC, 0x142108, 0x2441C0, 0x244004

BLOCKS = (
    *(Block(address, (word,), source="1.1") for address, word in FIRMWARE_WORDS.items()),
    Block(0x10000C, (0, 0), stride=8, is_writable=True, source="1.1 SWCORE_SCRATCH"),
    Block(0x2000E0, (0,), is_writable=True, source="1.1 TOP_TOP_SCRATCH"),
    Block(0x201028, (0,), is_writable=True, source="1.1 CCS_CCS_SCRATCH_REG"),
    Block(0x124014, (0,), is_writable=True, source="1.1 SWC_SWC_SCRATCH_REG"),
    Block(0x124000, (1,), source="4.1 SWC_SWC_INIT_STATUS, tables initialised"),
    Block(INT_STATUS, (0,), source="3.1 CCS_INT_STATUS"),
    Block(MII_MON, (0,), stride=0x400, entries=8, source="7.1 LMAC_ADP_TX_MII_MON"),
    Block(IFM_MON, (0,), stride=0x400, entries=8, source="7.1 LMAC_ADP_TX_IFM_MON"),
    Block(PHYSR, (0,), stride=0x4000, entries=8, source="7.1 PHYSR"),
    # 0x7949: 10, 100 and extended abilities, auto-negotiation able; bits 2 and 5 follow the link (IEEE 802.3 22.2.4.2).
    Block(BMSR, (0x7949,), stride=0x4000, entries=8, source="7.1 BMSR"),
)


class SwitchMemory:
    """The chip's address space. Reads and writes are whole bursts of consecutive words."""

    def __init__(self) -> None:
        self._changed: dict[int, int] = {}
        #: What the firmware's words read instead, for faults.
        self.firmware_words: dict[int, int] = dict(FIRMWARE_WORDS)
        self.is_firmware_running = True

    def reset(self) -> None:
        """Put every word back to its reset value; the firmware's words are empty until `start_firmware`."""
        self._changed = {}
        self.is_firmware_running = False

    def start_firmware(self) -> None:
        """Let the firmware fill its words."""
        self.is_firmware_running = True

    def read(self, address: int, count: int) -> list[int]:
        """Return `count` words from `address` on; raises UndeclaredAddress."""
        return [self._word(address + 4 * i) for i in range(count)]

    def write(self, address: int, words: list[int]) -> None:
        """Write words from `address` on, all or none; a read-only word keeps its value. Raises UndeclaredAddress."""
        blocks = [self._block(address + 4 * i) for i in range(len(words))]
        for i, (block, word) in enumerate(zip(blocks, words, strict=True)):
            if address + 4 * i == INT_STATUS:
                self._set(INT_STATUS, self._word(INT_STATUS) & ~word)
            elif block.is_writable:
                self._set(address + 4 * i, word)

    def latch_bridge_error(self) -> None:
        """Remember that the bridge could not do an access."""
        self._set(INT_STATUS, self._word(INT_STATUS) | IDA_ERROR)

    def set_link(self, port: int, mbps: int) -> None:
        """Show the link of switch port 1 to 8 in its status words; 0 Mb/s is down. Links are full duplex."""
        index, code = port - 1, _SPEED_CODE.get(mbps, 0)
        is_up = mbps > 0
        self._set(MII_MON + 0x400 * index, 1 << 28 | code << 24 | 0b11 if is_up else 0)
        # Both pause directions, speed, duplex, link, tx and rx enabled.
        self._set(IFM_MON + 0x400 * index, 0b1_1110_0011 | code << 2 if is_up else 0)
        self._set(PHYSR + 0x4000 * index, code << 4 | 0b1100 if is_up else 0)
        self._set(BMSR + 0x4000 * index, 0x7949 | (0b10_0100 if is_up else 0))

    def differences(self) -> dict[int, list[int]]:
        """Return by address, in order, the words that differ from reset; neighbours stand together."""
        runs: dict[int, list[int]] = {}
        start = end = -1
        changed = {address: self._word(address) for address in (*self._changed, *FIRMWARE_WORDS)}
        for address in sorted(changed):
            if changed[address] == self._reset_word(address):
                continue
            if address != end:
                start, runs[address] = address, []
            runs[start].append(changed[address])
            end = address + 4
        return runs

    def _word(self, address: int) -> int:
        self._block(address)
        if address in FIRMWARE_WORDS:
            return self.firmware_words[address] if self.is_firmware_running else 0
        return self._changed.get(address, self._reset_word(address))

    def _set(self, address: int, word: int) -> None:
        if word == self._reset_word(address):
            self._changed.pop(address, None)
        else:
            self._changed[address] = word

    def _block(self, address: int) -> Block:
        for block in BLOCKS:
            if block.word_at(address) is not None:
                return block
        raise UndeclaredAddress(f"register 0x{address:06X} is not declared")

    def _reset_word(self, address: int) -> int:
        block = self._block(address)
        number = block.word_at(address)
        assert number is not None
        return block.words[number]
