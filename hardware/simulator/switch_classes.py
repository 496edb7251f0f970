"""Which VLAN a frame is in: its tag, its port's default, or one of the range tables (jl6108.md 5.1, 5.6)."""

from collections.abc import Iterator

from hardware.simulator.frame import S_TAG, Frame
from hardware.simulator.switch_assumptions import Assumptions
from hardware.simulator.switch_memory import SwitchMemory
from hardware.simulator.switch_registers import INNER_RANGES, MAC_RANGES, OUTER_RANGES, TYPE_RANGES
from hardware.simulator.switch_tags import Tags

_BY_TAG, _BY_PORT, _MIXED = 0, 1, 2


def classify(
    memory: SwitchMemory, assume: Assumptions, core: int, source: int, frame: Frame, tags: Tags
) -> tuple[int, Tags]:
    """Return the VID of a frame and its tags, from which one that means "no VID" may have gone."""
    default, assignment = source >> 29 & 0xFFF, source >> 27 & 3
    has_vid = bool(tags)
    if tags and source >> 60 & 1 and tags[0].vid == source >> 61 & 0xFFF:
        has_vid = False
        if assume["specific-vid"] == "strips":
            tags = tags[1:]
    is_by_tag = assignment != _BY_PORT and not (assignment == _MIXED and assume["mixed-assignment"] == "default")
    vid = tags[0].vid if has_vid and is_by_tag else default
    if not memory.has_ranges or assume["range-tables"] == "ignored":
        return vid, tags
    order = source >> 41 & 3
    for its_vid, its_order in _answers(memory, core, frame, tags):
        if its_order >= order:  # the later wins a tie
            vid, order = its_vid, its_order
    return vid, tags


def _answers(memory: SwitchMemory, core: int, frame: Frame, tags: Tags) -> Iterator[tuple[int, int]]:
    """Yield VID and order of each range that the frame is in: MAC, outer VID, inner VID, ethertype."""
    for kind, (answer, search, words) in enumerate((MAC_RANGES, OUTER_RANGES, INNER_RANGES, TYPE_RANGES)):
        for slot in range(4):
            entry = memory.entry(search + 4 * words * slot, words)
            if entry >> core & 1 and _is_within(kind, entry, frame, tags):
                word = memory.word(answer + 4 * slot)
                yield word & 0xFFF, word >> 12 & 3


def _is_within(kind: int, entry: int, frame: Frame, tags: Tags) -> bool:
    if kind == 0:
        address = frame.dst if entry >> 11 & 1 else frame.src
        return entry >> 12 & 0xFFFFFFFFFFFF <= address <= entry >> 60 & 0xFFFFFFFFFFFF
    if kind == 3:
        return entry >> 11 & 0xFFFF <= frame.ethertype <= entry >> 27 & 0xFFFF
    position = kind - 1
    if len(tags) <= position or (tags[position].tpid == S_TAG) != bool(entry >> 11 & 1):
        return False
    return entry >> 12 & 0xFFF <= tags[position].vid <= entry >> 24 & 0xFFF
