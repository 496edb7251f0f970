"""The JL6108's addresses: the four-way hash table and its collision slots, in the chip's own words (jl6108.md 10)."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from hardware.simulator.switch_memory import SwitchMemory
from hardware.simulator.switch_registers import (
    AGING,
    AGING_CAM,
    DESTINATION,
    L2_ENABLE,
    LEARNED_AS,
    LOOKUP,
    LOOKUP_CAM,
    MULTICAST,
    PORT_MOVE,
    SHADOW,
    SHADOW_CAM,
    TIME_TO_AGE,
)

VALID, STATIC = 1, 2
WAYS, BUCKETS, SLOTS = 4, 1024, 16
MAIN_ENTRIES = WAYS * BUCKETS
#: The SDK asks for two thirds of the time that it was told: an entry goes after one and a half times the tick count.
_AGES = 1.5
#: The unit of TIME_TO_AGE's word 1, in seconds, with the dividers of the reset image.
_TICK_SECONDS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2)


class Destination(NamedTuple):
    """Where frames to an address go: a mask of core ports; `drops` says nowhere."""

    mask: int
    drops: bool


class AddressTable:
    """Learns, finds and forgets addresses; entries 0 to 4095 are the hash table, 4096 to 4111 the collision slots."""

    def __init__(self, memory: SwitchMemory, now: Callable[[], float]) -> None:
        self._memory = memory
        self._now = now
        self._valid: set[int] = set()
        #: When each dynamic entry was last learned or written.
        self._seen: dict[int, float] = {}
        self._limit = self._limit_seconds()
        memory.on_read["AGING"] = self._read_aging
        memory.on_write["AGING"] = self._aging_written
        memory.on_write["AGEING_TIME"] = self._time_written

    def reset(self) -> None:
        """Forget which entries there are; their words are the memory's."""
        self._valid, self._seen = set(), {}
        self._limit = self._limit_seconds()

    def find(self, fid: int, mac: int) -> Destination | None:
        """Return where frames to `mac` go, None if that is not known."""
        entry = self._find(fid, mac)
        if entry is None:
            return None
        word = self._memory.word(DESTINATION + 4 * entry)
        target = word >> 1 & 0x3F
        mask = 1 << target if word & 1 else self._memory.word(MULTICAST + 4 * target)
        return Destination(mask, bool(word >> 7 & 1))

    def learn(self, fid: int, mac: int, core: int) -> None:
        """Remember that `mac` is behind a port; nothing happens if its bucket and the collision slots are full."""
        if not self._memory.word(L2_ENABLE) & 1:
            return
        entry = self._find(fid, mac)
        if entry is not None:
            is_static = self._memory.word(_aging(entry)) & STATIC
            if not is_static or self._memory.word(PORT_MOVE) >> core & 1:
                self._memory.put(DESTINATION + 4 * entry, 1 | core << 1)
            if not is_static:
                self._seen[entry] = self._now()
            return
        entry = next((each for each in _candidates(fid, mac) if not self._is_valid(each)), None)
        if entry is None:
            return
        self._memory.put(_lookup(entry), mac & 0xFFFFFFFF)
        self._memory.put(_lookup(entry) + 4, fid << 16 | mac >> 32)
        self._memory.put(DESTINATION + 4 * entry, 1 | core << 1)
        status = self._memory.word(LEARNED_AS + 4 * core)
        self._set_aging(entry, status, status if entry >= MAIN_ENTRIES else status & VALID)
        if not status & STATIC:
            self._seen[entry] = self._now()

    def flush(self, core: int) -> None:
        """Forget the dynamic unicast entries of a port."""
        for entry in list(self._seen):
            word = self._memory.word(DESTINATION + 4 * entry)
            if word & 1 and word >> 1 & 0x3F == core:
                self._forget(entry)

    def _find(self, fid: int, mac: int) -> int | None:
        low, high = mac & 0xFFFFFFFF, fid << 16 | mac >> 32
        word = self._memory.word
        for entry in _candidates(fid, mac):
            if entry in self._valid:
                address = _lookup(entry)
                if word(address) == low and word(address + 4) & 0xFFFFFFF == high and self._is_valid(entry):
                    return entry
        return None

    def _is_valid(self, entry: int) -> bool:
        if entry not in self._valid:
            return False
        if self._is_old(entry):
            self._forget(entry)
            return False
        return True

    def _is_old(self, entry: int) -> bool:
        seen = self._seen.get(entry)
        if seen is None or not self._memory.word(L2_ENABLE) >> 1 & 1:
            return False
        return self._now() - seen > self._limit

    def _forget(self, entry: int) -> None:
        self._seen.pop(entry, None)
        self._set_aging(entry, 0, 0)

    def _set_aging(self, entry: int, aging: int, shadow: int) -> None:
        self._memory.put(_aging(entry), aging)
        if aging & VALID:
            self._valid.add(entry)
        else:
            self._valid.discard(entry)
        is_main = entry < MAIN_ENTRIES
        self._memory.put(SHADOW + 4 * entry if is_main else SHADOW_CAM + 4 * (entry - MAIN_ENTRIES), shadow)

    def _limit_seconds(self) -> float:
        tick = min(self._memory.word(TIME_TO_AGE + 4) & 7, len(_TICK_SECONDS) - 1)
        return self._memory.word(TIME_TO_AGE) * _TICK_SECONDS[tick] * _AGES

    def _read_aging(self, address: int, word: int) -> int:
        entry = _entry(address)
        if not word & VALID or not self._is_old(entry):
            return word
        self._forget(entry)
        return 0

    def _aging_written(self, address: int, before: int, after: int) -> None:
        entry = _entry(address)
        if after & VALID:
            self._valid.add(entry)
        else:
            self._valid.discard(entry)
        if after & (VALID | STATIC) == VALID:
            self._seen[entry] = self._now()
        else:
            self._seen.pop(entry, None)

    def _time_written(self, address: int, before: int, after: int) -> None:
        # What grew old under the time that held so far is gone, whatever the new one says.
        enable = before if address == L2_ENABLE else self._memory.word(L2_ENABLE)
        if enable >> 1 & 1:
            now = self._now()
            for entry in [each for each, seen in self._seen.items() if now - seen > self._limit]:
                self._forget(entry)
        self._limit = self._limit_seconds()


def bucket(fid: int, mac: int) -> int:
    """Return the row of the hash table: the XOR of the six ten-bit slices of FID and address."""
    key, row = fid << 48 | mac, 0
    while key:
        row ^= key & 0x3FF
        key >>= 10
    return row


def _candidates(fid: int, mac: int) -> Iterator[int]:
    row = bucket(fid, mac)
    yield from range(row, MAIN_ENTRIES, BUCKETS)
    yield from range(MAIN_ENTRIES, MAIN_ENTRIES + SLOTS)


def _aging(entry: int) -> int:
    return AGING + 4 * entry if entry < MAIN_ENTRIES else AGING_CAM + 4 * (entry - MAIN_ENTRIES)


def _lookup(entry: int) -> int:
    return LOOKUP + 8 * entry if entry < MAIN_ENTRIES else LOOKUP_CAM + 8 * (entry - MAIN_ENTRIES)


def _entry(address: int) -> int:
    return (address - AGING) // 4 if address < AGING_CAM else (address - AGING_CAM) // 4 + MAIN_ENTRIES
