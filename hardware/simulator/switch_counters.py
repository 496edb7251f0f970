"""The JL6108's counters: port MIBs of what is received and sent, core counters of what is dropped (jl6108.md 8)."""

from hardware.simulator.frame import BROADCAST, GROUP_BIT, Frame
from hardware.simulator.switch_assumptions import Assumptions
from hardware.simulator.switch_memory import SwitchMemory
from hardware.simulator.switch_registers import FRONTS, MAC_BASE, MAC_STRIDE, MIB, MIB_CLEAR, MIB_MODE

#: From a port's transmit counters to its receive counters, and to the pair of packets and bytes by kind of address.
_RECEIVED, _UNICAST, _MULTICAST, _BROADCAST = 0x48, 0x10, 0x20, 0x30
#: Offset and words of each counter by its number (8.1).
_PLACES = (
    *((8 * i, 2) for i in range(8)),
    *((0x40, 1), (0x44, 1)),
    *((0x48 + 8 * i, 2) for i in range(8)),
    *((0x88, 1), (0x8C, 1), (0x90, 1)),
)


def count_frame(memory: SwitchMemory, core: int, frame: Frame, *, is_received: bool) -> None:
    """Count a frame at a front port; the chip's processor has no MIB."""
    if not 0 <= core - 2 < FRONTS:
        return
    base = MIB + MAC_STRIDE * (core - 2) + (_RECEIVED if is_received else 0)
    kind = _UNICAST
    if frame.dst & GROUP_BIT:
        kind = _BROADCAST if frame.dst == BROADCAST else _MULTICAST
    size = frame.wire_bytes
    for offset, count in ((0, 1), (8, size), (kind, 1), (kind + 8, size)):
        memory.add(base + offset, count)


def count_drop(memory: SwitchMemory, counter: int) -> None:
    """Count one frame in a core counter of 24 bits."""
    memory.add(counter, 1, bits=24)


class Mib:
    """What reading and clearing do to the port counters."""

    def __init__(self, memory: SwitchMemory, assumptions: Assumptions) -> None:
        self._memory = memory
        self._assumptions = assumptions
        memory.on_read["MIB"] = self._read
        memory.on_write["MIB_CLEAR"] = self._clear

    def _read(self, address: int, word: int) -> int:
        port = (address - MAC_BASE) // MAC_STRIDE
        if self._memory.word(MIB_MODE + MAC_STRIDE * port) & 1:  # car_en: clear after read
            self._memory.put(address, 0)
        return word

    def _clear(self, address: int, before: int, after: int) -> None:
        number = after >> 4 & 0xFF
        if not after & 1:
            return
        if number < len(_PLACES):
            offset, words = _PLACES[number]
            base = MIB + address - MIB_CLEAR + offset
            for i in range(words):
                self._memory.put(base + 4 * i, 0)
        if self._assumptions["mib-clear"] == "self-clearing":
            self._memory.put(address, after & ~1)
