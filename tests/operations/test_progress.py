"""How far an operation is said to be, and what stopping it would do at that moment."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hardware.sequences import reset_sequence
from hardware.som import CM4, CM5, PowerState, ResetType
from operations.models import Operation, OperationState
from operations.progress import plan_words, progress_of


@pytest.fixture(autouse=True)
def real_time(settings):
    settings.TIME_SCALE = 1.0


def running(traits, reset_type: ResetType, step: int, *, ago: float = 0.0) -> Operation:
    """An operation whose worker began `step` so many seconds ago."""
    plan = reset_sequence(traits, reset_type, PowerState.ON)
    begun = timezone.now() - timedelta(seconds=ago)
    return Operation(
        title="t",
        state=OperationState.RUNNING,
        plan=plan.to_json(),
        steps=len(plan.steps),
        step=step,
        progress="at work",
        started_at=begun,
        step_started_at=begun,
        step_seconds=getattr(plan.steps[step - 1], "timeout_seconds", 0) if step else 0,
    )


def full_at(operation: Operation, seconds: float) -> float:
    """How full the bar is `seconds` after the present step began."""
    progress = progress_of(operation)
    at = operation.step_started_at + timedelta(seconds=seconds)
    return (at - progress.since).total_seconds() / progress.total_seconds


def test_before_it_begins_an_operation_says_when_it_expires_and_that_nothing_happened():
    expires = timezone.now() + timedelta(seconds=60)
    progress = progress_of(Operation(title="t", state=OperationState.QUEUED, expires_at=expires))
    assert (progress.deadline, progress.deadline_words, progress.cancel) == (expires, "expires in", "Cancel")
    assert "Nothing has been switched" in progress.consequence


def test_what_has_ended_has_no_progress():
    assert progress_of(Operation(state=OperationState.FAILED)) is None


def test_the_bar_never_goes_back_and_is_never_full():
    hold = [running(CM5, ResetType.GRACEFUL_RESTART, step) for step in range(1, 9)]
    marks = [full_at(operation, 0) for operation in hold]
    assert marks == sorted(marks)
    assert full_at(hold[-1], 0) < 1
    assert full_at(running(CM5, ResetType.FORCE_OFF, 2), 8.0) < 1


def test_an_act_without_a_length_has_none():
    assert progress_of(running(CM4, ResetType.FORCE_OFF, 1)).total_seconds == 0


@pytest.mark.parametrize(
    ("traits", "reset_type", "step", "label", "word"),
    [
        (CM5, ResetType.FORCE_OFF, 2, "Release now", "may have acted as a short one"),
        (CM5, ResetType.GRACEFUL_SHUTDOWN, 4, "Stop waiting", "Nothing more is pressed"),
        (CM4, ResetType.POWER_CYCLE, 2, "Stop here", "The line stays low"),
        (CM4, ResetType.POWER_CYCLE, 0, "Stop waiting", "Nothing more is pressed"),
    ],
)
def test_stopping_is_offered_with_what_it_would_do_now(traits, reset_type, step, label, word):
    progress = progress_of(running(traits, reset_type, step))
    assert progress.cancel == label
    assert word in progress.consequence


def test_who_has_asked_it_to_stop_is_named_instead():
    operation = running(CM5, ResetType.FORCE_OFF, 2)
    operation.cancel_requested_by = "olga"
    assert (progress_of(operation).cancel, progress_of(operation).consequence) == ("", "olga has asked it to stop.")


def test_a_wait_for_evidence_says_when_it_gives_up():
    operation = running(CM5, ResetType.GRACEFUL_SHUTDOWN, 4, ago=20)
    progress = progress_of(operation)
    assert progress.deadline_words == "gives up in"
    assert progress.deadline - timezone.now() == pytest.approx(timedelta(seconds=70), abs=timedelta(seconds=1))


def test_the_plan_is_told_in_words_with_where_it_is():
    steps = plan_words(running(CM5, ResetType.GRACEFUL_SHUTDOWN, 4))
    assert [step.at for step in steps] == ["done", "done", "done", "now"]
    assert steps[0].words == "drive the line low and read it back"
    assert steps[3].words.startswith("wait up to 90 s until observed Off")
    assert [step.at for step in plan_words(running(CM5, ResetType.FORCE_OFF, 1))] == ["now", "next", "next"]


def in_phases(step: int, **more) -> Operation:
    plan = {"steps": ["prepare", "boot-mode", "write", "verify", "restore"]}
    row = {"state": OperationState.RUNNING, "steps": 5, "started_at": timezone.now(), "progress": "at work"}
    return Operation(title="t", plan=plan, step=step, **{**row, **more})


@pytest.mark.parametrize(("step", "word"), [(1, "Nothing"), (2, "Nothing"), (3, "unknown"), (4, "unknown")])
def test_an_act_in_phases_says_what_a_cancel_would_leave(step, word):
    progress = progress_of(in_phases(step))
    assert progress.words == f"Step {step} of 5: at work"
    assert (progress.total_seconds, progress.cancel) == (0, "Cancel")
    assert word in progress.consequence
    assert progress_of(in_phases(step, cancel_requested_by="olga")).consequence == "olga has asked it to stop."


def test_its_plan_names_the_phases():
    assert [(step.words, step.at) for step in plan_words(in_phases(3))] == [
        ("prepare", "done"),
        ("boot mode", "done"),
        ("write", "now"),
        ("verify", "next"),
        ("restore", "next"),
    ]
