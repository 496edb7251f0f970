"""The steps that a reset line is taken through, as values.

A sequence can be shown to a person, stored with the operation and run later; `hardware.sequences` plans them,
`hardware.sequencer` runs them.
"""

from dataclasses import dataclass
from typing import Any

from hardware.contracts import Level
from hardware.som import PowerState


@dataclass(frozen=True)
class Drive:
    """Drives the line."""

    level: Level


@dataclass(frozen=True)
class Wait:
    """Lets time pass; `why` completes "Waiting: ..."."""

    seconds: float
    why: str


@dataclass(frozen=True)
class AwaitObserved:
    """Waits until the evidence shows `state`, at most for `timeout_seconds`."""

    state: PowerState
    timeout_seconds: float
    why: str


Step = Drive | Wait | AwaitObserved


@dataclass(frozen=True)
class Sequence:
    """Steps for one reset line.

    Attributes:
        safe_level: where the line has to be driven on any exit; None for a level line, whose level is the command.
        result: what is believed of the SOM once all steps are done.
        latches: afterwards the SOM ignores its button until the whole board loses power.
        summary: what the SOM will do, then what cannot be undone; one sentence each.
    """

    steps: tuple[Step, ...]
    safe_level: Level | None
    result: PowerState
    latches: bool
    summary: tuple[str, ...]

    def __post_init__(self) -> None:
        levels = [step.level for step in self.steps if isinstance(step, Drive)]
        if not levels:
            raise ValueError("A sequence drives its line at least once.")
        if self.safe_level is not None and levels[-1] is not self.safe_level:
            raise ValueError("A sequence with a safe level ends at that level.")

    @property
    def longest_seconds(self) -> float:
        """How long it may take, every observation timing out."""
        waits = (step.seconds for step in self.steps if isinstance(step, Wait))
        observations = (step.timeout_seconds for step in self.steps if isinstance(step, AwaitObserved))
        return sum(waits) + sum(observations)

    def hold_seconds(self, index: int) -> float:
        """How long the line stays at the level that step `index` drives, by plan."""
        seconds = 0.0
        for step in self.steps[index + 1 :]:
            if isinstance(step, Drive):
                break
            seconds += step.seconds if isinstance(step, Wait) else step.timeout_seconds
        return seconds

    def to_json(self) -> dict[str, Any]:
        """A mapping that `from_json` reads back as an equal sequence."""
        return {
            "steps": [_step_to_json(step) for step in self.steps],
            "safe_level": None if self.safe_level is None else int(self.safe_level),
            "result": self.result.value,
            "latches": self.latches,
            "summary": list(self.summary),
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Sequence":
        """Raises ValueError, KeyError or TypeError for anything but what `to_json` made."""
        safe_level = content["safe_level"]
        return cls(
            steps=tuple(_step_from_json(step) for step in content["steps"]),
            safe_level=None if safe_level is None else Level(safe_level),
            result=PowerState(content["result"]),
            latches=bool(content["latches"]),
            summary=tuple(content["summary"]),
        )


def _step_to_json(step: Step) -> dict[str, Any]:
    match step:
        case Drive(level):
            return {"step": "drive", "level": int(level)}
        case Wait(seconds, why):
            return {"step": "wait", "seconds": seconds, "why": why}
        case AwaitObserved(state, timeout_seconds, why):
            return {"step": "await", "state": state.value, "timeout_seconds": timeout_seconds, "why": why}


def _step_from_json(content: dict[str, Any]) -> Step:
    match content["step"]:
        case "drive":
            return Drive(Level(content["level"]))
        case "wait":
            return Wait(float(content["seconds"]), content["why"])
        case "await":
            return AwaitObserved(PowerState(content["state"]), float(content["timeout_seconds"]), content["why"])
        case other:
            raise ValueError(f"There is no step {other!r}.")
