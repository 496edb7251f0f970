"""What the JL6108 counts: 21 counters of each port (section 8.1)."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from hardware.jl6108.access import Access
from hardware.jl6108.layout import WORD_BITS
from hardware.jl6108.numbering import mac_index
from hardware.jl6108.registers import MIB, MIB_CLEAR, PORTS
from hardware.jl6108.tables import DROPS, DROPS_MASK

#: A burst holds 16 words, and none of these parts divides a counter of two (section 25 item 22).
PARTS = (16, 16, 5)


@dataclass(frozen=True)
class Counters:
    """Frames and bytes of one port since the chip's last reset, in the chip's own order. `tx` is what left the port.

    Packets and bytes have 64 bits; the last two of tx and last three of rx have 32 and wrap around.
    """

    tx_packets: int
    tx_bytes: int
    tx_unicast_packets: int
    tx_unicast_bytes: int
    tx_multicast_packets: int
    tx_multicast_bytes: int
    tx_broadcast_packets: int
    tx_broadcast_bytes: int
    tx_dropped: int
    tx_errors: int
    rx_packets: int
    rx_bytes: int
    rx_unicast_packets: int
    rx_unicast_bytes: int
    rx_multicast_packets: int
    rx_multicast_bytes: int
    rx_broadcast_packets: int
    rx_broadcast_bytes: int
    rx_dropped: int
    rx_crc_errors: int
    rx_fragments: int


@dataclass(frozen=True)
class Traffic:
    """What of `Counters` tells how much goes through a port and how much of it is lost. Fields as there."""

    tx_packets: int
    tx_bytes: int
    tx_dropped: int
    tx_errors: int
    rx_packets: int
    rx_bytes: int
    rx_dropped: int
    rx_crc_errors: int
    rx_fragments: int


@dataclass(frozen=True)
class Drops:
    """Frames that the switch core dropped, of all ports, by reason and in the chip's order. 24 bits, wrapping around.

    Of use when a VLAN does not do what it should: `vlan_member` are frames of a VLAN that their port is not in,
    `frame_filter` those of a kind that their port does not take in. What `pm` stands for is not known.
    """

    broken: int
    pm: int
    unknown_ingress: int
    nowhere_to_go: int
    spanning_tree_listening: int
    spanning_tree_learning: int
    spanning_tree_blocking: int
    address_lookup: int
    frame_filter: int
    reserved_destination: int
    reserved_source: int
    vlan_member: int
    too_few_tags: int
    too_many_tags: int
    reserved_multicast: int
    access_list: int


NAMES = tuple(field.name for field in fields(Counters))
#: Those of one word; every other one has two, the low word first.
SHORT = frozenset({"tx_dropped", "tx_errors", "rx_dropped", "rx_crc_errors", "rx_fragments"})
#: The runs of counters that Traffic consists of: each is one burst.
TRAFFIC_RUNS = (
    ("tx_packets", "tx_bytes"),
    ("tx_dropped", "tx_errors", "rx_packets", "rx_bytes"),
    ("rx_dropped", "rx_crc_errors", "rx_fragments"),
)


class PortCounters(Access):
    """Raises BusError, ChipRefused; ValueError for a port that is not there."""

    def read_counters(self, port: int) -> Counters:
        """All counters of a port in three bursts: 166 transfers. Counters of two parts are not of the same instant."""
        words: list[int] = []
        for count in PARTS:
            if words:
                self._bridge.give_way()
            words.extend(self.read_words(MIB.at(mac_index(port)) + 4 * len(words), count))
        return Counters(**_values(NAMES, words))

    def read_all_counters(self) -> tuple[Counters, ...]:
        """`read_counters` of ports 1 to 8: 1,328 transfers."""
        counters = []
        for port in range(1, PORTS + 1):
            if port > 1:
                self._bridge.give_way()
            counters.append(self.read_counters(port))
        return tuple(counters)

    def read_all_traffic(self) -> tuple[Traffic, ...]:
        """How much went through ports 1 to 8: three bursts each, 560 transfers. Gives way after each burst."""
        traffic = []
        for port in range(1, PORTS + 1):
            values: dict[str, int] = {}
            for names in TRAFFIC_RUNS:
                if values or port > 1:
                    self._bridge.give_way()
                address = MIB.at(mac_index(port)) + 4 * _words_before(names[0])
                values |= _values(names, list(self.read_words(address, sum(map(_words, names)))))
            traffic.append(Traffic(**values))
        return tuple(traffic)

    def read_drops(self) -> Drops:
        """Why the switch core dropped frames: one burst, 70 transfers."""
        return Drops(*(word & DROPS_MASK for word in self.read_words(DROPS.at(), DROPS.words)))

    def clear_counter(self, port: int, name: str) -> None:
        """Sets one counter of a port to zero; `name` as in Counters. Raises KeyError for another name."""
        self._clear_each(port, [{name: number for number, name in enumerate(NAMES)}[name]])

    def clear_counters(self, port: int) -> None:
        """Sets all counters of a port to zero, one after the other as the chip wants it."""
        self._clear_each(port, list(range(len(NAMES))))

    def _clear_each(self, port: int, numbers: list[int]) -> None:
        index = mac_index(port)
        for number in numbers:
            self._modify(MIB_CLEAR, index, clear=1, counter=number)
            self._bridge.give_way()
        # The bit is assumed to fall by itself; where it does not, a counter would stand still at zero.
        self._modify(MIB_CLEAR, index, clear=0)


def _words(name: str) -> int:
    return 1 if name in SHORT else 2


def _words_before(name: str) -> int:
    return sum(map(_words, NAMES[: NAMES.index(name)]))


def _values(names: Sequence[str], words: Sequence[int]) -> dict[str, int]:
    """The counters that lie in these words, one after the other, the low word of two first."""
    values, at = {}, 0
    for name in names:
        values[name] = words[at] if name in SHORT else words[at + 1] << WORD_BITS | words[at]
        at += _words(name)
    return values
