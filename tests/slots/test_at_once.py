"""Many people and a worker at one board: everybody gets an answer, and every answer is true."""

import random

import pytest

from hardware.som import ResetType
from operations import lifecycle, verifying
from operations.http import record_refusal
from operations.models import OPEN_STATES, AuditEntry, Claim, Operation
from operations.refusals import Refused
from slots.models import Basis, Board
from slots.services import execution, inventory, power, records, several
from slots.services.power import Ask
from tests.operations.rig import together
from tests.slots.rig import ON, SLUG, believe, slot

SLOTS = (2, 3, 4, 5, 6)
ROUNDS = 12


def people_and_a_worker(actor, seed: int):
    """What one of them does in turn, each time something else."""
    dice = random.Random(seed)

    def ask() -> None:
        number = dice.choice(SLOTS)
        reset_type = dice.choice([ResetType.FORCE_OFF, ResetType.ON, ResetType.PUSH_POWER_BUTTON])
        power.request_reset(slot(number), Ask(reset_type, accept_stranding=True), actor, key=f"{dice.random()}")

    def act_on_several() -> None:
        numbers = dice.sample(SLOTS, 3)
        several.request_several(Board.objects.get(slug=SLUG), numbers, dice.choice(["start", "restart"]), actor)

    def cancel() -> None:
        operation = Operation.objects.filter(state__in=OPEN_STATES).order_by("?").first()
        if operation is not None:
            lifecycle.cancel(operation, actor)

    def work() -> None:
        queued = lifecycle.housekeeping_queue([SLUG])
        started = lifecycle.start(str(queued[0].pk), worker="local", instance="i1") if queued else None
        if started is not None:
            with lifecycle.running(started, lambda whole: execution.settle_interrupted(started) or ""):
                lifecycle.append_log(started, "line driven low")

    def say_off() -> None:
        power.mark_off(slot(dice.choice(SLOTS)), actor)

    def take_note() -> None:
        row = slot(dice.choice(SLOTS))
        records.save_som(row, row.som, actor)

    def lose_power() -> None:
        inventory.power_was_lost(Board.objects.get(slug=SLUG))

    acts = [ask, ask, ask, act_on_several, cancel, work, work, say_off, take_note, lose_power]

    def play() -> list[str]:
        met = []
        for _ in range(ROUNDS):
            try:
                dice.choice(acts)()
            except Refused as refusal:
                record_refusal(refusal, actor, "test.act", f"{SLUG}/slot:{dice.choice(SLOTS)}")
                met.append(refusal.code)
        return met

    return play


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_are_answered_or_refused_and_leave_one_whole_story(rows, operator):
    for number in SLOTS:
        believe(number, ON, Basis.OBSERVED)
    results = together(lambda number: people_and_a_worker(operator, number)())
    assert not [result for result in results if isinstance(result, Exception)], results
    assert AuditEntry.objects.count() > 50
    assert verifying.verify().whole
    claimed = set(Claim.objects.values_list("operation_id", flat=True))
    still_open = set(Operation.objects.filter(state__in=OPEN_STATES).values_list("pk", flat=True))
    assert claimed == still_open
    for operation in Operation.objects.exclude(state__in=OPEN_STATES):
        outcomes = AuditEntry.objects.filter(operation_id=operation.pk).exclude(action="operation.cancel")
        assert outcomes.count() == 2, "one for the request and one for the end"
