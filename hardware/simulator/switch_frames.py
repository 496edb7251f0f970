"""How the JL6108 forwards a frame (jl6108.md 5, 6, 8, 9, 15, 26), read from its own words for each frame.

Ports are core ports here: 2 to 9 are the front ports, 10 is the chip's own processor.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from hardware.simulator.frame import BROADCAST, C_TAG, GROUP_BIT, IPV4, IPV6, MPLS, S_TAG, Frame
from hardware.simulator.switch_assumptions import Assumptions
from hardware.simulator.switch_classes import classify
from hardware.simulator.switch_counters import count_drop, count_frame
from hardware.simulator.switch_fdb import AddressTable
from hardware.simulator.switch_memory import SwitchMemory
from hardware.simulator.switch_registers import (
    EGRESS_PORT,
    HAIRPIN,
    INGRESS_FILTER,
    MSTP_EGRESS,
    MSTP_INGRESS,
    OUTPUT_MIRROR,
    PAIR_FILTER,
    RMA_ACTION,
    RMA_PASS,
    SOURCE_PORT,
    STP_EGRESS,
    TPID_EGRESS,
    TPID_INGRESS,
    VLAN_TABLE,
)
from hardware.simulator.switch_tags import (
    EGRESS_BITS,
    INGRESS_BITS,
    PAIR_BITS,
    Operation,
    Tags,
    apply,
    counted_tags,
    drops,
    egress_operation,
    kinds,
    source_operation,
    table_operation,
)

CPU_CORE, FIRST_FRONT = 10, 2
#: Addresses that bridges keep to themselves, 01-80-C2-00-00-00 and on (18).
_RESERVED = 0x0180C2000000
_BLOCKING, _LISTENING, _LEARNING = 1, 2, 3
#: MSTP's codes in the words of STP (15): forward, discard, learn.
_MSTP = (4, _BLOCKING, _LEARNING, _BLOCKING)
Copies = list[tuple[int, Frame]]


class Dropped(Exception):
    """A frame goes no further; `counter` is where the chip counts that."""

    def __init__(self, why: str, counter: int) -> None:
        super().__init__(why)
        self.counter = counter


class _Passage(NamedTuple):
    """A frame on its way: what was received, what it is now, its VLAN's entry, and whether nobody knew where to."""

    core: int
    received: Tags
    tags: Tags
    hidden: Tags
    frame: Frame
    entry: int
    is_flooded: bool


class Forwarder:
    """The switch core. `carries(core)` tells whether frames can leave by a port."""

    def __init__(
        self, memory: SwitchMemory, addresses: AddressTable, assumptions: Assumptions, carries: Callable[[int], bool]
    ) -> None:
        self._memory = memory
        self._addresses = addresses
        self._assume = assumptions
        self._carries = carries
        #: Why copies of the last frame were dropped: (core port or None for the whole frame, reason).
        self.last_drops: list[tuple[int | None, str]] = []

    def forward(self, core: int, frame: Frame) -> Copies:
        """Take a frame in at a core port; return where it leaves, in the order of the ports. Mirrored copies follow."""
        self.last_drops = []
        if not self._carries(core):
            self.last_drops = [(None, "no link")]
            return []
        count_frame(self._memory, core, frame, is_received=True)
        source = self._source_entry(core)
        copies: Copies = []
        try:
            copies = self._through(core, frame, source)
        except Dropped as dropped:
            self.last_drops.append((None, str(dropped)))
            count_drop(self._memory, dropped.counter)
        mirrored = self._mirrored(core, frame, source, copies)
        for target, copy in mirrored:
            count_frame(self._memory, target, copy, is_received=False)
        return copies + mirrored

    def _source_entry(self, core: int) -> int:
        if core == CPU_CORE and self._assume["cpu-port"] == "ignores":
            return 0x9 | 0x40000 << 32
        return self._memory.entry(SOURCE_PORT + 16 * core, 3)

    def _egress_entry(self, core: int) -> int:
        if core == CPU_CORE and self._assume["cpu-port"] == "ignores":
            return 0
        return self._memory.entry(EGRESS_PORT + 8 * core, 2)

    def _through(self, core: int, frame: Frame, source: int) -> Copies:
        received, hidden = self._recognised(frame.tags)
        self._admit(core, frame, received, source)
        operation = source_operation(source)
        if self._assume["classified-by"] == "received":
            vid, received = classify(self._memory, self._assume, core, source, frame, received)
            operated = self._operate(operation, received, received)
        else:
            operated = self._operate(operation, received, received)
            vid, operated = classify(self._memory, self._assume, core, source, frame, operated)
        entry = self._memory.entry(VLAN_TABLE + 8 * vid, 2)
        is_learning = self._only_learns(core, source, entry)
        is_member = entry >> core & 1 or self._assume["member-check"] == "absent"
        if is_member or self._assume["learning"] == "before-check":
            self._learn(core, frame, source, entry)
        if not is_member:
            raise Dropped(f"port is not in VLAN {vid}", 0x1044B0)
        if is_learning:
            raise Dropped("port is learning", 0x104498)
        table = table_operation(entry)
        before = received if table.does and self._assume["table-op"] == "replaces" else operated
        after = self._operate(table, before, received)
        return self._distribute(_Passage(core, received, after, hidden, frame, entry, False), source)

    def _recognised(self, tags: Tags) -> tuple[Tags, Tags]:
        """Return the tags that the chip sees as such, and those behind one that it does not know (5.4)."""
        extra = self._memory.word(TPID_INGRESS)
        for i, tag in enumerate(tags):
            is_known = tag.tpid == C_TAG or (tag.tpid == S_TAG and self._assume["known-tpids"] == "both")
            if not is_known and not (extra >> 17 & 1 and tag.tpid == extra & 0xFFFF):
                return tags[:i], tags[i:]
        return tags, ()

    def _s_tpids(self) -> frozenset[int]:
        extra = self._memory.word(TPID_INGRESS)
        return frozenset((S_TAG, extra & 0xFFFF) if extra >> 16 & 3 == 3 else (S_TAG,))

    def _admit(self, core: int, frame: Frame, received: Tags, source: int) -> None:
        """Let a frame in by reserved addresses (18), frame-type filter (5.5) and tag limits (5.1)."""
        counted = counted_tags(received, self._assume)
        word = self._memory.word(INGRESS_FILTER + 4 * core)
        if word and (drops(word, INGRESS_BITS, kinds(counted, self._s_tpids())) or _drops_content(word, frame)):
            raise Dropped("frame type is refused", 0x1044A4)
        if self._assume["tag-limits"] == "enforced":
            if len(counted) < source >> 47 & 3:
                raise Dropped("too few tags", 0x1044B4)
            if len(counted) > source >> 49 & 3:
                raise Dropped("too many tags", 0x1044B8)
        if frame.dst & ~0x3F == _RESERVED and core != CPU_CORE:
            number = frame.dst & 0x3F
            passes = self._memory.entry(RMA_PASS + 0x400 * (core - FIRST_FRONT), 2) >> number & 1
            if not passes or self._memory.word(RMA_ACTION + 4 * number) & 0x7FF:
                raise Dropped("reserved address", 0x1044A8)

    def _operate(self, operation: Operation, tags: Tags, received: Tags) -> Tags:
        if not operation.does:
            return tags
        after = apply(operation, tags, received, self._memory.word(TPID_EGRESS) & 0xFFFF, self._assume)
        if after is None:
            raise Dropped("nothing to pop", 0x104488)
        return after

    def _only_learns(self, core: int, source: int, entry: int) -> bool:
        """Return whether the port learns without forwarding; raises Dropped where it does neither (15)."""
        states = (source >> 57 & 7, _MSTP[self._memory.word(MSTP_INGRESS + 4 * (entry >> 30 & 0xF)) >> 2 * core & 3])
        if _LISTENING in states:
            raise Dropped("port is listening", 0x104494)
        if _BLOCKING in states:
            raise Dropped("port is blocked", 0x10449C)
        return _LEARNING in states

    def _learn(self, core: int, frame: Frame, source: int, entry: int) -> None:
        if source & 1 and (not frame.src & GROUP_BIT or source >> 51 & 1):
            self._addresses.learn(entry >> 11 & 0xFFF, frame.src, core)

    def _distribute(self, passage: _Passage, source: int) -> Copies:
        frame, entry = passage.frame, passage.entry
        found = self._addresses.find(entry >> 11 & 0xFFF, frame.dst)
        if found is not None and found.drops:
            raise Dropped("address is to be dropped", 0x1044A0)
        if found is None and source >> 1 & 1 and not frame.dst & GROUP_BIT:
            raise Dropped("address is unknown", 0x1044A0)
        mask = (0x7FF if found is None else found.mask) & entry & 0x7FF
        kind = 0 if found is None else 1 if frame.dst & GROUP_BIT else 2
        if not self._memory.word(HAIRPIN + 4 * passage.core) >> kind & 1:
            mask &= ~(1 << passage.core)
        if not mask:
            raise Dropped("no port to leave by", 0x104490)
        is_flooded = found is None and not frame.dst & GROUP_BIT
        passage = passage._replace(is_flooded=is_flooded)
        copies = []
        for target in _bits(mask):
            try:
                copy = self._leave(target, passage)
            except Dropped as dropped:
                self.last_drops.append((target, str(dropped)))
                count_drop(self._memory, dropped.counter)
                continue
            count_frame(self._memory, target, copy, is_received=False)
            copies.append((target, copy))
        return copies

    def _leave(self, target: int, passage: _Passage) -> Frame:
        """Return the frame as it leaves by a port; raises Dropped."""
        if not self._carries(target):
            raise Dropped("no link", 0x122690 + 4 * target)
        pair, egress = self._memory.word(PAIR_FILTER + 4 * target), self._egress_entry(target)
        if pair >> 18 + passage.core & 1:
            raise Dropped("isolated from the source", 0x1217BC + 4 * target)
        if self._is_blocked(target, passage.entry):
            raise Dropped("port is blocked", 0x121764 + 4 * target)
        if egress >> 28 & 1:
            raise Dropped("port is disabled", 0x1226BC + 4 * target)
        tags = self._operate(egress_operation(egress), passage.tags, passage.received)
        if pair & 0x3FFFF or egress >> 29:
            seen = passage.tags if self._assume["egress-filters"] == "before" else tags
            found = kinds(counted_tags(seen, self._assume), self._s_tpids())
            if drops(pair, PAIR_BITS, found) or _drops_pair_content(pair, passage):
                raise Dropped("frame type is refused", 0x1217BC + 4 * target)
            if drops(egress, EGRESS_BITS, found):
                raise Dropped("frame type is refused", 0x1226E8 + 4 * target)
        return passage.frame._replace(tags=tags + passage.hidden)

    def _is_blocked(self, target: int, entry: int) -> bool:
        state = self._memory.entry(STP_EGRESS, 2) >> 3 * target & 7
        instance = _MSTP[self._memory.word(MSTP_EGRESS + 4 * (entry >> 30 & 0xF)) >> 2 * target & 3]
        return state in (_BLOCKING, _LISTENING, _LEARNING) or instance in (_BLOCKING, _LEARNING)

    def _mirrored(self, core: int, frame: Frame, source: int, copies: Copies) -> Copies:
        """Return the copies for mirror ports (9): of what came in as it came in, of what left as it left."""
        mirrored = []
        if source >> 52 & 1:
            mirrored.append((source >> 53 & 0xF, frame))
        for target, copy in copies:
            word = self._memory.word(OUTPUT_MIRROR + 4 * target)
            if word & 1:
                mirrored.append((word >> 1 & 0xF, copy))
        return [(target, copy) for target, copy in mirrored if self._carries(target)]


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest


def _drops_content(word: int, frame: Frame) -> bool:
    """Bits 5 to 14 of the ingress filter (5.5)."""
    is_group, is_v4, is_v6 = bool(frame.dst & GROUP_BIT), frame.ethertype == IPV4, frame.ethertype == IPV6
    is_broadcast, is_own = frame.dst == BROADCAST, frame.dst == frame.src
    is_multicast = is_group and not is_broadcast
    tests = [is_own, is_own and is_v4, is_own and is_v6, is_v4, is_v6, frame.ethertype in MPLS]
    tests += [is_multicast and is_v4, is_multicast and is_v6, is_broadcast, is_multicast]
    return any(word >> bit & 1 and test for bit, test in enumerate(tests, start=5))


def _drops_pair_content(word: int, passage: _Passage) -> bool:
    """Bits 5 to 12 of the ingress/egress filter (6)."""
    frame = passage.frame
    is_v4, is_v6, is_broadcast = frame.ethertype == IPV4, frame.ethertype == IPV6, frame.dst == BROADCAST
    is_multicast = bool(frame.dst & GROUP_BIT) and not is_broadcast
    tests = [is_v4, is_v6, frame.ethertype in MPLS, is_multicast and is_v4, is_multicast and is_v6]
    tests += [is_broadcast, passage.is_flooded, is_multicast]
    return any(word >> bit & 1 and test for bit, test in enumerate(tests, start=5))
