"""From counters to rates: what went through a port between two readings, and how that is said and drawn. Pure.

The chip's counters begin anew with its reset, and those of 32 bits wrap around; neither may become a rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hardware.jl6108.counters import Traffic

#: What a port of 1 Gb/s can carry at most, the shortest frames and their gaps counted, and a tenth more for clocks.
MOST_BYTES_PER_SECOND = 137_500_000
MOST_FRAMES_PER_SECOND = 1_640_000
SHORT_COUNTERS = 1 << 32
LONG = ("tx_packets", "tx_bytes", "rx_packets", "rx_bytes")
MINUTES = 60


@dataclass(frozen=True)
class Flow:
    """What went through one port in a time: bytes that came in and went out, frames dropped, frames in error."""

    bytes_in: int
    bytes_out: int
    dropped: int
    errors: int


@dataclass(frozen=True)
class Sample:
    """The flows of ports 1 to 8 in `seconds` that ended `age_seconds` ago."""

    age_seconds: float
    seconds: float
    flows: tuple[Flow, ...]


@dataclass(frozen=True)
class Minute:
    """A port's mean rates in one minute, in bits per second, and what was lost in it."""

    bits_in: float
    bits_out: float
    dropped: int
    errors: int


def flows(before: Sequence[Traffic], after: Sequence[Traffic], seconds: float) -> tuple[Flow, ...] | None:
    """What went through each port between two readings; None if the counters were not the same all the while.

    A counter of 64 bits never wraps, so one that fell was set to zero: the chip was reset, or somebody cleared it. What
    no port can carry in that time is no flow either.
    """
    if seconds <= 0 or _has_fallen(before, after):
        return None
    found = tuple(_flow(old, new) for old, new in zip(before, after, strict=True))
    return found if all(_is_possible(flow, seconds) for flow in found) else None


def _has_fallen(before: Sequence[Traffic], after: Sequence[Traffic]) -> bool:
    pairs = zip(before, after, strict=True)
    return any(getattr(new, name) < getattr(old, name) for old, new in pairs for name in LONG)


def _flow(old: Traffic, new: Traffic) -> Flow:
    def more(*names: str) -> int:
        return sum((getattr(new, name) - getattr(old, name)) % SHORT_COUNTERS for name in names)

    return Flow(
        bytes_in=new.rx_bytes - old.rx_bytes,
        bytes_out=new.tx_bytes - old.tx_bytes,
        dropped=more("tx_dropped", "rx_dropped"),
        errors=more("tx_errors", "rx_crc_errors", "rx_fragments"),
    )


def _is_possible(flow: Flow, seconds: float) -> bool:
    most_bytes, most_frames = MOST_BYTES_PER_SECOND * seconds, 2 * MOST_FRAMES_PER_SECOND * seconds
    return max(flow.bytes_in, flow.bytes_out) <= most_bytes and max(flow.dropped, flow.errors) <= most_frames


def minutes(samples: Sequence[Sample], port: int) -> tuple[Minute | None, ...]:
    """The last hour of a port, minute by minute, the oldest first; None where nothing was read."""
    found: list[Minute | None] = []
    for number in reversed(range(MINUTES)):
        within = [one for one in samples if 60 * number <= one.age_seconds < 60 * (number + 1)]
        seconds = sum(one.seconds for one in within)
        some = [one.flows[port - 1] for one in within]
        if not seconds:
            found.append(None)
            continue
        found.append(
            Minute(
                bits_in=8 * sum(flow.bytes_in for flow in some) / seconds,
                bits_out=8 * sum(flow.bytes_out for flow in some) / seconds,
                dropped=sum(flow.dropped for flow in some),
                errors=sum(flow.errors for flow in some),
            )
        )
    return tuple(found)


def speed(bits_per_second: float) -> str:
    """A rate in words: "0 b/s", "840 b/s", "12 kb/s", "3.4 Mb/s", "1 Gb/s"."""
    value, unit = bits_per_second, "b/s"
    for larger in ("kb/s", "Mb/s", "Gb/s"):
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f} {unit}".replace(".0 ", " ") if value < 9.95 and unit != "b/s" else f"{value:.0f} {unit}"


def line(values: Sequence[float | None], most: float, width: int, height: int) -> tuple[str, ...]:
    """Points for SVG polylines over a box: a line for each run of values, none where there is a gap.

    `most` is what reaches the top; a lone value becomes a short dash.
    """
    step = width / max(1, len(values) - 1)
    runs: list[list[str]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            runs.append([])
            continue
        y = height - height * value / most if most else height
        runs[-1].append(f"{number * step:.1f},{y:.1f}")
    return tuple(" ".join(run if len(run) > 1 else [run[0], _beside(run[0])]) for run in runs if run)


def _beside(point: str) -> str:
    x, _, y = point.partition(",")
    return f"{float(x) + 1:.1f},{y}"
