"""What to believe of a SOM's power, from what was commanded and what was seen (pure: no clock, no database).

The rules are those of docs/architecture.md, "Evidence". A commanded state is only ever upgraded by evidence that
agrees; evidence that disagrees is a contradiction, shown beside the state. An observed state follows the evidence.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from hardware.som import PowerState

COMMANDED, OBSERVED, PERSON = "commanded", "observed", "person"


@dataclass(frozen=True)
class Reading:
    """One source about one slot: `life` True/False/None as last read `at`; `life_at` its last sign of life ever."""

    kind: str  # link, uart, stage, probe, line
    value: str
    life: bool | None
    at: datetime
    life_at: datetime | None = None


@dataclass(frozen=True)
class Belief:
    """What we hold to be so, and since when. `commanded_at` is when we last moved the line (None: never)."""

    state: PowerState
    basis: str
    since: datetime | None
    commanded_at: datetime | None = None
    contradiction: str = ""
    boot: timedelta = timedelta(0)  # usual time from release to a login prompt


@dataclass(frozen=True)
class Windows:
    """The time limits of the rules."""

    talked_recently: timedelta = timedelta(seconds=60)  # printable UART bytes younger than this are a sign of life
    silent: timedelta = timedelta(seconds=30)  # a UART without bytes for this long is silent
    fresh: timedelta = timedelta(seconds=30)  # a reading older than this says nothing about now
    lapse: timedelta = timedelta(seconds=60)  # an observed state that nothing supports any more then turns Unknown
    last_words: timedelta = timedelta(seconds=2)  # bytes this soon after a halt still belong to it
    settle: timedelta = timedelta(seconds=5)  # a link may take this long to follow the SOM
    least_boot: timedelta = timedelta(seconds=60)  # no sign of life is no surprise before this
    shutdown: timedelta = timedelta(seconds=120)  # a shutdown that was asked for may take this long

    @classmethod
    def scaled(cls, scale: float) -> "Windows":
        """The limits divided by `scale`, for portals that run in fast time."""
        plain = cls()
        return cls(**{field.name: getattr(plain, field.name) / scale for field in fields(cls)})


def signs_of_life(readings: Iterable[Reading], now: datetime, after: datetime | None, w: Windows) -> list[str]:
    """The readings, in words, that show a SOM which is on now; none older than `after` count, and no bytes from
    before a halt that was seen."""
    readings = list(readings)
    halt = max((r.at for r in readings if r.kind == "stage" and r.life is False), default=None)
    found = []
    for r in readings:
        moment = r.life_at if r.kind == "uart" else (r.at if r.life else None)
        limit = w.talked_recently if r.kind == "uart" else w.fresh
        if r.kind == "line" or moment is None or now - moment > limit:
            continue
        if r.kind == "uart" and halt is not None and moment <= halt + w.last_words:
            continue
        if after is None or moment > after:
            found.append(r.value if r.kind != "uart" else "console prints")
    return found


def looks_off(readings: Iterable[Reading], now: datetime, after: datetime | None, w: Windows) -> bool:
    """Link down *and* UART silent *and* no probe answers, where link or console of this slot has worked before."""
    by_kind = {r.kind: r for r in readings}
    link, uart, probe = by_kind.get("link"), by_kind.get("uart"), by_kind.get("probe")
    if link is None or link.life is not False or now - link.at > w.fresh:
        return False
    if after is not None and link.at <= after:
        return False
    if uart is not None:
        quiet_since = max(filter(None, [uart.life_at, after]), default=None)
        if uart.life is None or now - uart.at > w.fresh:  # a port that is away is not a silent one
            return False
        if quiet_since is not None and now - quiet_since < w.silent:
            return False
    if probe is not None and (probe.life is not False or now - probe.at > w.fresh):
        return False
    if probe is not None and after is not None and probe.at <= after:
        return False
    return any(r is not None and r.life_at is not None for r in (link, uart))


def assess(belief: Belief, readings: list[Reading], now: datetime, w: Windows | None = None) -> Belief:
    """The belief that follows from `belief` and `readings` at `now`; the same object when nothing changes."""
    w = w or Windows()
    settled = None if belief.commanded_at is None else belief.commanded_at + w.settle
    # After an On, bytes right after the release count; after an Off, its last bytes and a link about to drop do not.
    going_off = belief.basis == COMMANDED and belief.state in (PowerState.OFF, PowerState.POWERING_OFF)
    life = signs_of_life(readings, now, settled if going_off else belief.commanded_at, w)
    off = looks_off(readings, now, belief.commanded_at, w)
    if belief.basis == COMMANDED and belief.state != PowerState.UNKNOWN:
        return _commanded(belief, life, off, now, w)
    return _observed(belief, life, off, readings, now, w)


def _commanded(belief: Belief, life: list[str], off: bool, now: datetime, w: Windows) -> Belief:
    asked = belief.commanded_at or belief.since or now
    if belief.state in (PowerState.ON, PowerState.POWERING_ON):
        if life:
            return _become(belief, PowerState.ON, OBSERVED, now)
        if now - asked < max(w.least_boot, 2 * belief.boot):
            return belief
        if off:
            words = f"On was commanded at {asked:%H:%M:%S} UTC, but there is no sign of life"
            return _become(belief, PowerState.OFF, OBSERVED, now, words)
        if belief.state == PowerState.POWERING_ON:
            return replace(belief, state=PowerState.ON, since=now)
        return belief
    if off:
        return _become(belief, PowerState.OFF, OBSERVED, now)
    if belief.state == PowerState.OFF and life:
        return _become(belief, belief.state, belief.basis, now, f"commanded Off, {_still(life[0])}")
    if belief.state == PowerState.POWERING_OFF and now - asked > w.shutdown:
        if life:
            words = f"Off was asked for at {asked:%H:%M:%S} UTC, but {_still(life[0])}"
            return _become(belief, PowerState.ON, OBSERVED, now, words)
        return _become(belief, PowerState.UNKNOWN, OBSERVED, now)
    return belief if life or not belief.contradiction else replace(belief, contradiction="")


def _still(sign: str) -> str:
    """A sign of life, said of a SOM that should show none: "link still up"."""
    subject, _, rest = sign.partition(" ")
    return f"{subject} still {rest}"


def _observed(belief: Belief, life: list[str], off: bool, readings: list[Reading], now: datetime, w: Windows) -> Belief:
    if life:
        return _become(belief, PowerState.ON, OBSERVED, now, _kept(belief, PowerState.ON))
    if off:
        return _become(belief, PowerState.OFF, OBSERVED, now, _kept(belief, PowerState.OFF))
    if belief.basis == PERSON or belief.state == PowerState.UNKNOWN:
        return belief
    newest = max((r.at for r in readings if r.kind not in ("line", "stage")), default=None)
    supported = [r.life_at for r in readings if r.life_at and belief.state == PowerState.ON]
    last_support = max(supported, default=newest) if belief.state == PowerState.ON else newest
    if last_support is None or now - last_support > w.lapse:
        return _become(belief, PowerState.UNKNOWN, OBSERVED, now)
    return belief


def _kept(belief: Belief, state: PowerState) -> str:
    """A contradiction stays as long as the state that it speaks of."""
    return belief.contradiction if belief.state == state else ""


def _become(belief: Belief, state: PowerState, basis: str, now: datetime, contradiction: str = "") -> Belief:
    if (belief.state, belief.basis) == (state, basis):
        return belief if belief.contradiction == contradiction else replace(belief, contradiction=contradiction)
    return replace(belief, state=state, basis=basis, since=now, contradiction=contradiction)
