"""Several slots at once: in an order, one after the other, within the supply, each an operation of its own."""

import pytest

from hardware.som import ResetType
from operations import dispatch, lifecycle, refusals
from operations.models import AuditEntry, Operation, OperationState
from operations.refusals import Refused
from slots.models import Board, Som, SomType
from slots.services import power, several
from tests.operations.rig import together
from tests.slots.rig import OFF, ON, SLUG, UNKNOWN, ask, believe, held, run, saw, slot, state

CM4, CM5, CM5_TOO, M4N, LM3H = 2, 3, 4, 5, 6


@pytest.fixture
def all_off(rows):
    for number in (CM4, CM5, CM5_TOO, M4N, LM3H):
        believe(number, OFF)
    return rows


def request(numbers, verb, actor, reason=""):
    return several.request_several(Board.objects.get(slug=SLUG), numbers, verb, actor, reason)


def refusal(numbers, verb, actor) -> Refused:
    """What the whole is refused with; nothing may be queued then."""
    before = Operation.objects.count(), AuditEntry.objects.count()
    with pytest.raises(Refused) as caught:
        request(numbers, verb, actor)
    assert (Operation.objects.count(), AuditEntry.objects.count()) == before
    return caught.value


def turn_comes() -> None:
    """As if the pause before the next member had passed."""
    for member in Operation.objects.filter(state=OperationState.WAITING, due_at__isnull=False):
        Operation.objects.filter(pk=member.pk).update(due_at=member.due_at - lifecycle.STAGGER)
    power.send_due()


def test_members_are_queued_in_the_order_that_was_asked_for_and_the_first_begins(all_off, operator):
    made = request([LM3H, CM5, CM4], "start", operator, "morning")
    assert [operation.resource for operation in made] == ["demo/slot:6", "demo/slot:3", "demo/slot:2"]
    assert [operation.state for operation in made] == ["queued", "waiting", "waiting"]
    assert [operation.position for operation in made] == [0, 1, 2]
    assert len({operation.group for operation in made}) == 1
    assert held() == ["demo/slot:2", "demo/slot:3", "demo/slot:6"]
    entries = AuditEntry.objects.order_by("seq").values_list("operation_id", "outcome", "reason")
    assert list(entries) == [(operation.pk, "requested", "morning") for operation in made]


def test_only_the_first_is_handed_to_a_worker_at_once(all_off, operator, monkeypatch):
    sent = []
    monkeypatch.setattr(dispatch, "send", sent.append)
    made = request([CM5, CM4], "start", operator)
    assert sent == made[:1]


@pytest.mark.parametrize(
    ("verb", "number", "held_to_be", "reset_type"),
    [
        ("start", CM4, OFF, ResetType.ON),
        ("start", CM5, OFF, ResetType.ON),
        ("stop", CM5, ON, ResetType.GRACEFUL_SHUTDOWN),
        ("restart", CM5, ON, ResetType.GRACEFUL_RESTART),
        ("restart", CM4, ON, ResetType.FORCE_RESTART),
        ("restart", LM3H, ON, ResetType.FORCE_RESTART),
    ],
)
def test_each_member_is_asked_in_the_kindest_way_its_som_has(all_off, operator, verb, number, held_to_be, reset_type):
    believe(number, held_to_be)
    made = request([number], verb, operator)
    assert made[0].power.reset_type == reset_type


def test_a_start_beyond_the_supply_is_refused_with_the_sum_and_nothing_starts(all_off, operator):
    Board.objects.update(supply="custom", supply_watts=20.0)
    assert power.plan(slot(CM5), power.Ask(ResetType.ON)), "each alone would be fine"
    assert power.plan(slot(CM5_TOO), power.Ask(ResetType.ON))
    refused = refusal([CM5, CM5_TOO], "start", operator)
    assert refused.code == "over-budget"
    assert refused.message.startswith("Starting slot 3, 4 could draw 23.3 W at its peak, and the supply gives 20 W: ")
    assert refused.message.endswith(" = 23.3 W.")
    assert held() == []


@pytest.mark.django_db(transaction=True)
def test_two_groups_at_once_do_not_exceed_together_what_each_alone_would_not(all_off, operator):
    Board.objects.update(supply="custom", supply_watts=20.0)
    results = together(lambda n: request([CM5 + n], "start", operator), count=2)
    assert sorted(type(result).__name__ for result in results) == ["OverBudget", "list"]


def test_a_stop_with_a_slot_that_has_no_graceful_way_is_refused_naming_it(all_off, operator):
    believe(CM5, ON)
    believe(M4N, ON)
    refused = refusal([CM5, M4N], "stop", operator)
    assert refused.code == "reset-type-unsupported"
    assert refused.message == ("Slot 5 (M4N) has no graceful way to shut down; force it off by itself or leave it out.")
    assert refused.detail == {"slot": M4N}


def test_slot_1_is_never_part_of_a_bulk_action(all_off, administrator):
    for verb in several.WORDS:
        refused = refusal([CM5, 1], verb, administrator)
        assert refused.code == "controller-slot-protected"
        assert refused.message == "Slot 1 runs this portal and is never part of a bulk action."


def test_a_busy_member_is_named_with_its_holder(all_off, operator, administrator):
    believe(CM4, ON)
    ask(CM4, ResetType.FORCE_OFF, administrator)
    refused = refusal([CM5, CM4], "start", operator)
    assert refused.message.startswith("demo, slot 2 is busy: Force off slot 2, asked for by alice at ")


def test_what_one_member_is_refused_for_is_said_with_its_slot(all_off, operator):
    believe(CM5_TOO, UNKNOWN)
    refused = refusal([CM5, CM5_TOO], "start", operator)
    assert refused.code == "ambiguous-power-state"
    assert refused.message.startswith("Slot 4: It is not known whether the CM5 is off")
    assert refused.detail == {"slot": 4}


@pytest.mark.parametrize(
    ("numbers", "verb", "code", "sentence"),
    [
        ([CM5], "explode", "bad-request", "'explode' is not start, stop or restart."),
        ([], "start", "bad-request", "Select at least one slot."),
        ([CM5, CM5], "start", "bad-request", "A slot is named twice."),
        ([CM5, 9], "start", "unknown-slot", "There is no slot 9: a board has slots 1 to 7."),
    ],
)
def test_a_selection_that_makes_no_sense_is_refused_in_one_sentence(all_off, operator, numbers, verb, code, sentence):
    refused = refusal(numbers, verb, operator)
    assert (refused.code, refused.message) == (code, sentence)


def test_an_empty_slot_in_a_selection_is_named(all_off, operator):
    assert refusal([CM5, 7], "start", operator).message.startswith("Slot 7: No SOM is recorded in slot 7")


def test_a_viewer_acts_on_no_selection(all_off, viewer):
    assert refusal([CM5], "start", viewer).code == "not-permitted"


def test_a_broker_that_is_away_ends_every_member_and_frees_every_slot(all_off, operator, broker_away):
    with pytest.raises(refusals.BrokerUnavailable):
        request([LM3H, CM5, CM4], "start", operator)
    assert set(Operation.objects.values_list("state", "code")) == {("failed", "broker-unavailable")}
    assert held() == []


# On the board


def test_members_run_one_after_the_other_and_one_may_fail_alone(board, me, operator):
    for number in (CM4, CM5, LM3H):
        believe(number, OFF)
    made = request([LM3H, CM5, CM4], "start", operator)
    assert run(made[0]).state == OperationState.SUCCEEDED
    turn_comes()
    board.ctl("fault", "nack", "expander")
    assert run(made[1]).state == OperationState.FAILED
    board.ctl("clear")
    turn_comes()
    assert run(made[2]).state == OperationState.SUCCEEDED
    assert [line for line, _ in board.moves()] == [6, 6, 2, 2]
    assert state(CM5)[0] == OFF
    assert held() == []


def test_a_member_whose_slot_changed_while_it_waited_fails_alone(board, me, operator):
    for number in (CM4, CM5):
        believe(number, OFF)
    made = request([CM4, CM5], "start", operator)
    run(made[0])
    saw(CM5, "link", "link up, 1 Gb/s", True)
    believe(CM5, ON)
    turn_comes()
    done = run(made[1])
    assert (done.state, done.code) == (OperationState.FAILED, "state-changed")
    assert [line for line, _ in board.moves()] == [2, 2]


def test_a_third_partys_som_is_treated_by_its_data_alone(board, me, operator):
    kind = SomType.objects.get(name="CM5")
    kind.pk, kind.name, kind.shipped, kind.graceful, kind.press_seconds = None, "Radish", False, False, 2.0
    kind.save()
    Som.objects.filter(slot=slot(CM5)).update(som_type=kind)
    believe(CM5, ON)
    assert "Slot 3 (Radish) has no graceful way" in refusal([CM5], "stop", operator).message
    believe(CM5, OFF)
    done = run(request([CM5], "start", operator)[0])
    assert done.state == OperationState.SUCCEEDED
    assert done.power.actual_hold_seconds >= 2
