"""How far an operation is, in words and figures that a page can draw: from its row and its plan, without a query."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings

from hardware.contracts import Level
from hardware.steps import AwaitObserved, Drive, Sequence, Step, Wait
from operations.models import Operation, OperationState

# A bar is never full before the end: the last drive and the writing down come after the last wait.
MARGIN = 1.02
MARGIN_SECONDS = 0.5


@dataclass(frozen=True)
class Progress:
    """What a page says of an operation that has not ended.

    The bar counts from `since` up to `total_seconds`; a total of 0 means that no length is planned. `deadline` is when
    it expires or gives up, `deadline_words` which of both. `cancel` is the button's label ("" for none) and
    `consequence` the sentence under it.
    """

    words: str
    since: datetime | None = None
    total_seconds: float = 0
    deadline: datetime | None = None
    deadline_words: str = ""
    cancel: str = ""
    consequence: str = ""


def progress_of(operation: Operation) -> Progress | None:
    """The progress of an open operation; None once it has ended."""
    if operation.state == OperationState.WAITING:
        return _before("Waits for the one before it to end.", operation.due_at, "its turn in")
    if operation.state == OperationState.QUEUED:
        return _before("Waits for a worker.", operation.expires_at, "expires in")
    if operation.state != OperationState.RUNNING:
        return None
    if _is_in_phases(operation):
        return _progress_in_phases(operation)
    steps = Sequence.from_json(operation.plan).steps
    cancel, consequence = _way_out(operation, steps)
    words = operation.progress or "The worker has taken it."
    if operation.steps and operation.step:
        words = f"Step {operation.step} of {operation.steps}: {words}"
    step = steps[operation.step - 1] if operation.step else None
    begun = operation.step_started_at or operation.started_at
    gives_up = isinstance(step, AwaitObserved) and begun is not None
    return Progress(
        words=words,
        since=begun - timedelta(seconds=_planned(steps[: max(0, operation.step - 1)])) if begun else None,
        total_seconds=_with_margin(_planned(steps)),
        deadline=begun + timedelta(seconds=operation.step_seconds) if gives_up and begun else None,
        deadline_words="gives up in" if gives_up else "",
        cancel=cancel,
        consequence=consequence,
    )


WRITING = "write"  # the phase of a plan from which on a storage is being changed


def _is_in_phases(operation: Operation) -> bool:
    """Whether its plan names phases instead of what a line is taken through: nobody knows how long each will take."""
    return all(isinstance(step, str) for step in operation.plan.get("steps", [None]))


def _progress_in_phases(operation: Operation) -> Progress:
    phases: list[str] = operation.plan["steps"]
    words = operation.progress or "The worker has taken it."
    if operation.step:
        words = f"Step {operation.step} of {len(phases)}: {words}"
    if operation.cancel_requested_by:
        return Progress(words, consequence=f"{operation.cancel_requested_by} has asked it to stop.")
    if operation.kind.startswith("switch."):
        return _progress_of_switch(operation, words)
    begun = WRITING in phases and operation.step > phases.index(WRITING)
    lost = "Stops it within a second. What its storage holds is unknown then, and does not boot."
    kept = "Nothing has been written yet, and nothing will be."
    return Progress(words, since=operation.started_at, cancel="Cancel", consequence=lost if begun else kept)


def _progress_of_switch(operation: Operation, words: str) -> Progress:
    """A scan changes nothing; a change of VLANs can be undone for as long as it runs."""
    deadline = None
    if operation.step_started_at and operation.step_seconds:
        deadline = operation.step_started_at + timedelta(seconds=operation.step_seconds)
    if operation.kind == "switch.scan":
        return Progress(words, since=operation.started_at, cancel="Cancel", consequence="Nothing of it is kept then.")
    label = "Roll back now" if deadline else "Stop"
    kept = "Puts the switch back to what it held before."
    return Progress(words, operation.started_at, 0, deadline, "undone in" if deadline else "", label, kept)


def _before(words: str, deadline: datetime | None, deadline_words: str) -> Progress:
    return Progress(
        words=words,
        deadline=deadline,
        deadline_words=deadline_words if deadline else "",
        cancel="Cancel",
        consequence="Nothing has been switched yet, and nothing will be.",
    )


def _planned(steps: tuple[Step, ...]) -> float:
    """Seconds that `steps` may take, in this portal's time."""
    waits = sum(step.seconds for step in steps if isinstance(step, Wait))
    observations = sum(step.timeout_seconds for step in steps if isinstance(step, AwaitObserved))
    return (waits + observations) / settings.TIME_SCALE


def _with_margin(seconds: float) -> float:
    return round(seconds * MARGIN + MARGIN_SECONDS, 3) if seconds else 0


def _way_out(operation: Operation, steps: tuple[Step, ...]) -> tuple[str, str]:
    """What cancelling would do at this moment: it depends on whether the line is low now, and of which kind it is."""
    if operation.cancel_requested_by:
        return "", f"{operation.cancel_requested_by} has asked it to stop."
    drives = [step.level for step in steps[: operation.step] if isinstance(step, Drive)]
    if not drives or drives[-1] is not Level.LOW:
        return "Stop waiting", "Nothing more is pressed. The state is Unknown until evidence shows what it is."
    if operation.plan.get("safe_level") is None:
        return "Stop here", "The line stays low, which holds the SOM in reset. The state is Unknown then."
    return (
        "Release now",
        "Releases the button at once. A shortened press may have acted as a short one; the state is Unknown then.",
    )


@dataclass(frozen=True)
class PlannedStep:
    """A step of the plan in words; `at` says whether it is done, begun or to come."""

    words: str
    at: str  # "done", "now", "next"


def plan_words(operation: Operation) -> list[PlannedStep]:
    """The plan, step by step. Of an operation that has ended, what it had begun counts as done."""
    steps = operation.plan["steps"] if _is_in_phases(operation) else Sequence.from_json(operation.plan).steps
    here = operation.step if operation.state == OperationState.RUNNING else 0
    done = len(steps) if operation.state == OperationState.SUCCEEDED else operation.step
    return [
        PlannedStep(_step_words(step), "now" if index == here else "done" if index <= done else "next")
        for index, step in enumerate(steps, start=1)
    ]


def _step_words(step: Step | str) -> str:
    match step:
        case str():
            return step.replace("-", " ")
        case Drive(level):
            return f"drive the line {'low' if level is Level.LOW else 'high'} and read it back"
        case Wait(seconds, why):
            return f"wait {seconds:g} s: {why}"
        case AwaitObserved(state, timeout_seconds, why):
            return f"wait up to {timeout_seconds:g} s until observed {state}: {why}"
