"""Rates that the JL6108 holds frames to, by egress port: storms of three kinds, and all that leaves a port.

Sections 11 and 12 with items 24 and 25 of section 25. Rates are counted in tokens that come at one of five ticks.
"""

from dataclasses import dataclass
from enum import Enum

from hardware.jl6108 import tables
from hardware.jl6108.access import Access
from hardware.jl6108.layout import Register
from hardware.jl6108.numbering import core_port
from hardware.jl6108.registers import SHAPER_JOB_BIT, STORM_JOB

INPUT_CLOCK_HZ = 25_000_000
TICKS = 5
MOST_TOKENS = 4095
#: Bytes between frames on the wire (preamble and gap) that count as sent.
GAP_BYTES = 24
LEAST_STORM_THRESHOLD = 1636
LEAST_SHAPER_THRESHOLD = 2000
LARGEST_BUCKET = 0xFFFF


class Storm(Enum):
    """The kinds of frames that go to many ports: rate, capacity, threshold and enable registers of each."""

    BROADCAST = tables.BROADCAST_STORM
    MULTICAST = tables.MULTICAST_STORM
    FLOODING = tables.FLOODING_STORM


@dataclass(frozen=True)
class Bucket:
    """A rate as the chip has it: `tokens` each time that `tick` (0 fastest to 4) comes."""

    packets: bool
    tokens: int
    tick: int
    threshold: int
    capacity: int


class RateLimits(Access):
    """Raises BusError, ChipRefused; ValueError for a port that is not there and a rate that the chip cannot hold;
    RegistersDiffer if the chip does not hold what it was given.
    """

    def set_storm_rate(self, port: int, storm: Storm, rate: int, *, packets: bool = False) -> None:
        """Sets the most that leaves a port, in kbit/s or in packets per second; `limit_storm` puts it into force."""
        frequencies = self._tick_frequencies()
        bucket = storm_packets(rate, frequencies) if packets else storm_bytes(rate, frequencies)
        # Else the firmware writes its own rates over ours (section 11).
        self._keep_suspended(STORM_JOB)
        self._put_bucket(storm.value, core_port(port), bucket)

    def limit_storm(self, port: int, storm: Storm, limited: bool) -> None:
        """Puts the rate of `set_storm_rate` into force at a port, or out of it."""
        self._enable(storm.value[3], core_port(port), limited)

    def read_storm_rate(self, port: int, storm: Storm) -> tuple[int, bool]:
        """The rate set, in kbit/s or, if the second is True, in packets per second; rounded down as the chip has it."""
        frequencies = self._tick_frequencies()
        register = storm.value[0]
        entry = self._get(register, core_port(port))
        rate = register.get(entry, "tokens") * frequencies[min(register.get(entry, "tick"), TICKS - 1)]
        if register.get(entry, "packets"):
            return rate, True
        return rate * 8 // 1000, False

    def shape_port(self, port: int, kbps: int | None) -> None:
        """Holds all that leaves a port to a rate in kbit/s, or with None to none.

        The firmware's own job on the port's shaper stays suspended, as it is after boot; the vendor's driver lets it
        go when a rate is taken off (section 25 item 25).
        """
        core = core_port(port)
        if kbps is not None:
            self._put_bucket(tables.PORT_SHAPER, core, shaper_bytes(kbps, self._tick_frequencies()))
        self._enable(tables.PORT_SHAPER[3], core, kbps is not None)
        self._keep_suspended(1 << SHAPER_JOB_BIT + core)

    def _tick_frequencies(self) -> tuple[int, ...]:
        """Ticks per second, fastest first."""
        entry = self._get(tables.TICKS)
        divider, step = tables.TICKS.get(entry, "divider"), tables.TICKS.get(entry, "step")
        if not divider or not step:
            raise ValueError(f"The chip's ticks are set to 0x{entry:08X}, which gives no rates.")
        return tuple(INPUT_CLOCK_HZ // divider // step**number for number in range(TICKS))

    def _put_bucket(self, group: tuple[Register, ...], core: int, bucket: Bucket) -> None:
        rate, capacity, threshold, _ = group
        self._put(threshold, core, threshold.put(0, size=bucket.threshold), verify=True)
        self._put(capacity, core, capacity.put(0, size=bucket.capacity), verify=True)
        fields = {"packets": int(bucket.packets), "tokens": bucket.tokens, "tick": bucket.tick, "gap": GAP_BYTES}
        self._put(rate, core, rate.put(0, **fields), verify=True)

    def _enable(self, register: Register, core: int, on: bool) -> None:
        bit = 1 << core
        _, after = self._edit(register, 0, lambda word: word | bit if on else word & ~bit)
        self._verify(register, after)


def storm_bytes(kbps: int, frequencies: tuple[int, ...]) -> Bucket:
    """Raises ValueError if no tick can make the rate."""
    tokens, tick = _tokens(kbps * 1000 // 8, frequencies)
    return _bucket(tokens, tick, max(10 * tokens, LEAST_STORM_THRESHOLD))


def storm_packets(per_second: int, frequencies: tuple[int, ...]) -> Bucket:
    """Raises ValueError if no tick but the fastest can make the rate."""
    tick = _slowest_tick(per_second, frequencies, MOST_TOKENS)
    if not tick:
        raise ValueError(f"The switch cannot hold a storm to {per_second} packets a second.")
    tokens = per_second // frequencies[tick]
    return Bucket(True, tokens, tick, tokens, 2 * tokens)


def shaper_bytes(kbps: int, frequencies: tuple[int, ...]) -> Bucket:
    """Raises ValueError if no tick can make the rate."""
    tokens, tick = _tokens(kbps * 1000 // 8, frequencies)
    return _bucket(tokens, tick, max(5 * tokens, LEAST_SHAPER_THRESHOLD))


def _tokens(bytes_per_second: int, frequencies: tuple[int, ...]) -> tuple[int, int]:
    """Tokens and tick for a rate; one token more than it needs, since what is left of the division is lost."""
    tick = _slowest_tick(bytes_per_second, frequencies, MOST_TOKENS)
    tokens = bytes_per_second // frequencies[tick]
    return (tokens + 1 if tokens < MOST_TOKENS else tokens), tick


def _slowest_tick(rate: int, frequencies: tuple[int, ...], most_tokens: int) -> int:
    for tick in reversed(range(len(frequencies))):
        if 0 < frequencies[tick] <= rate < frequencies[tick] * (most_tokens + 1):
            return tick
    raise ValueError(f"The switch cannot hold anything to {rate} a second.")


def _bucket(tokens: int, tick: int, threshold: int) -> Bucket:
    return Bucket(False, tokens, tick, threshold, min(2 * threshold, LARGEST_BUCKET))
