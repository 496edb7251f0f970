"""VIDs by what a frame carries: ranges of MAC addresses, VIDs and types that the JL6108 looks up. Section 5.6."""

from dataclasses import dataclass
from enum import Enum

from hardware.jl6108 import tables
from hardware.jl6108.access import Access
from hardware.jl6108.numbering import core_mask, ports_in

HIGHEST_ORDER = 3


class RangeOf(Enum):
    """What a range is of: the registers of the answer and of the search. Four of each."""

    MAC = tables.MAC_RANGE
    OUTER_VID = tables.OUTER_VID_RANGE
    INNER_VID = tables.INNER_VID_RANGE
    TYPE = tables.TYPE_RANGE


@dataclass(frozen=True)
class VidRange:
    """Frames that come in at `ports` with something from `start` to `end`, both included, belong to `vid`.

    `order` 0 to 3 weighs it against the port's own default and the other ranges: the highest wins, and on a tie the
    later of port, MAC, outer VID, inner VID, type. `flag`: for a MAC the destination instead of the source, for a VID
    an S-tag instead of a C-tag.
    """

    ports: frozenset[int]
    start: int
    end: int
    vid: int
    order: int = HIGHEST_ORDER
    flag: bool = False


class VidRanges(Access):
    """Nothing of ours uses them yet. They would close all VIDs that are not in use with few writes, if the chip does
    what section 25 item 18 infers. Raises BusError, ChipRefused; ValueError for a slot or field that is not there.
    """

    def read_range(self, kind: RangeOf, slot: int) -> VidRange:
        """One of the four ranges (0 to 3) of a kind; without ports, it is off."""
        answers, searches = kind.value
        answer, search = self._get(answers, slot), self._get(searches, slot)
        return VidRange(
            ports=ports_in(searches.get(search, "ports")),
            start=searches.get(search, "start"),
            end=searches.get(search, "end"),
            vid=answers.get(answer, "vid"),
            order=answers.get(answer, "order"),
            flag=bool("flag" in searches.fields and searches.get(search, "flag")),
        )

    def set_range(self, kind: RangeOf, slot: int, wanted: VidRange) -> None:
        """Sets a range, the answer before what it is the answer to. Raises RegistersDiffer if it did not take."""
        answers, searches = kind.value
        if wanted.flag and "flag" not in searches.fields:
            raise ValueError("A range of Ethernet types has no other side.")
        flag = {"flag": int(wanted.flag)} if "flag" in searches.fields else {}
        search = {"ports": core_mask(wanted.ports), "start": wanted.start, "end": wanted.end, **flag}
        self._verify(answers, self._modify(answers, slot, vid=wanted.vid, order=wanted.order)[1], slot)
        self._verify(searches, self._modify(searches, slot, **search)[1], slot)

    def clear_range(self, kind: RangeOf, slot: int) -> None:
        """Takes the ports off a range, so that it is asked for no frame."""
        searches = kind.value[1]
        self._verify(searches, self._modify(searches, slot, ports=0)[1], slot)
