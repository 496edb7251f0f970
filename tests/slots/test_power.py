"""Asking for a reset: what is refused and in which words, what is queued, and what else people may say of a slot."""

import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from hardware.som import PowerState, ResetType
from operations import lifecycle, refusals
from operations.models import AuditEntry, IdempotencyKey, Operation, OperationState
from operations.refusals import Refused
from operations.roles import Actor
from slots.models import Basis, Board, Slot, Som
from slots.services import power
from slots.services.power import Ask
from tests.operations.rig import together
from tests.slots.rig import OFF, ON, POWERING_OFF, POWERING_ON, UNKNOWN, ask, believe, held, slot, state

CM4, CM5, M4N, LM3H = 2, 3, 5, 6  # the demo board's slots by what sits in them; slot 7 is empty
EMPTY = 7


def refusal(number: int, reset_type: ResetType, actor: Actor, **more: object) -> Refused:
    """What the request is refused with; nothing may have changed then."""
    before = list(Slot.objects.order_by("pk").values())
    with pytest.raises(Refused) as caught:
        ask(number, reset_type, actor, **more)
    assert list(Slot.objects.order_by("pk").values()) == before
    return caught.value


def nothing_happened() -> bool:
    return not Operation.objects.exists() and not AuditEntry.objects.exists() and held() == []


# Bad input


@pytest.mark.parametrize(
    ("board", "number", "code", "sentence"),
    [
        ("demo", 8, "unknown-slot", "There is no slot 8: a board has slots 1 to 7."),
        ("demo", 0, "unknown-slot", "There is no slot 0: a board has slots 1 to 7."),
        ("atlantis", 3, "unknown-board", "There is no board atlantis."),
    ],
)
def test_an_unknown_board_or_slot_is_named(rows, board, number, code, sentence):
    with pytest.raises(refusals.NotFound) as caught:
        power.find_slot(board, number)
    assert (caught.value.code, str(caught.value)) == (code, sentence)


def test_a_board_whose_file_is_gone_is_unknown(rows):
    rows.present = False
    rows.save()
    with pytest.raises(refusals.NotFound, match=r"There is no board demo\."):
        power.find_slot("demo", 3)


def test_an_unknown_reset_type_is_refused_with_those_that_exist(rows):
    with pytest.raises(refusals.BadRequest) as caught:
        power.parse_reset_type("Explode")
    assert str(caught.value).startswith("'Explode' is not a reset type; there are On, ForceOff, ")
    assert power.parse_reset_type("ForceOff") is ResetType.FORCE_OFF


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x" * 301, "The reason is longer than 300 characters."),
        ("a \x00 byte", "The reason holds a control character."),
        ("half a \ud83d pair", "The reason holds a control character."),
    ],
)
def test_a_reason_that_cannot_be_kept_is_refused(text, problem):
    with pytest.raises(refusals.BadRequest) as caught:
        power.clean_reason(text)
    assert str(caught.value) == problem


def test_a_reason_is_kept_on_one_line():
    assert power.clean_reason("  hangs since\n\tnoon \N{PILE OF POO} ") == "hangs since noon \N{PILE OF POO}"


def test_a_viewer_is_refused_with_the_role_that_is_needed(rows, viewer):
    refused = refusal(CM4, ResetType.FORCE_OFF, viewer)
    assert (refused.code, refused.message) == (
        "not-permitted",
        "Switching slot 2 needs the role operator; vera is viewer.",
    )
    assert nothing_happened()


@pytest.mark.parametrize("reset_type", ResetType)
def test_slot_1_is_never_reset_by_a_power_command_whoever_asks(rows, administrator, reset_type):
    refused = refusal(1, reset_type, administrator, accept_stranding=True)
    assert refused.code == "controller-slot-protected"
    assert "Slot 1 is the controller that this portal runs on" in refused.message
    assert nothing_happened()


def test_an_empty_slot_is_refused(rows, operator):
    refused = refusal(EMPTY, ResetType.ON, operator)
    assert refused.code == "empty-slot"
    assert refused.message == "No SOM is recorded in slot 7; record which one it is first."


# What each SOM refuses in which state: slot, state, latched, reset type, code, a part of the sentence.
REFUSED = [
    (CM4, ON, False, ResetType.ON, "already-in-state", "The CM4 is on already."),
    (CM4, POWERING_ON, False, ResetType.ON, "already-in-state", "The CM4 is powering on already."),
    (CM4, ON, False, ResetType.PUSH_POWER_BUTTON, "reset-type-unsupported", "is not a power button"),
    (CM4, ON, False, ResetType.GRACEFUL_SHUTDOWN, "reset-type-unsupported", "shut it down from within"),
    (M4N, ON, False, ResetType.GRACEFUL_RESTART, "reset-type-unsupported", "shut it down from within"),
    (CM5, OFF, False, ResetType.FORCE_OFF, "already-in-state", "The CM5 is off already."),
    (CM5, OFF, False, ResetType.GRACEFUL_SHUTDOWN, "already-in-state", "The CM5 is off already."),
    (CM5, POWERING_OFF, False, ResetType.GRACEFUL_SHUTDOWN, "already-in-state", "The CM5 is shutting down already."),
    (CM5, ON, False, ResetType.FORCE_RESTART, "reset-type-unsupported", "use GracefulRestart"),
    (CM5, ON, False, ResetType.POWER_CYCLE, "reset-type-unsupported", "use GracefulRestart"),
    (CM5, UNKNOWN, False, ResetType.ON, "ambiguous-power-state", 'use "Mark as off" if it is, or PushPowerButton'),
    (CM5, UNKNOWN, False, ResetType.GRACEFUL_SHUTDOWN, "ambiguous-power-state", "could start it instead"),
    (CM5, POWERING_ON, False, ResetType.GRACEFUL_RESTART, "ambiguous-power-state", "running yet"),
    (CM5, OFF, True, ResetType.ON, "latched-off", "ignores its power button until the whole board loses power"),
    (CM5, UNKNOWN, True, ResetType.PUSH_POWER_BUTTON, "latched-off", "until the whole board loses power"),
    (LM3H, ON, False, ResetType.GRACEFUL_SHUTDOWN, "reset-type-unsupported", "is not documented"),
    (LM3H, OFF, False, ResetType.FORCE_RESTART, "already-in-state", "use On to start it"),
]


@pytest.mark.parametrize(("number", "held_to_be", "latched", "reset_type", "code", "words"), REFUSED)
def test_what_a_som_cannot_do_in_its_state_is_refused_with_the_reason(
    rows, operator, number, held_to_be, latched, reset_type, code, words
):
    believe(number, held_to_be, latched=latched)
    refused = refusal(number, reset_type, operator)
    assert (refused.code, words in refused.message) == (code, True), refused.message
    assert nothing_happened()
    offer = next(offer for offer in power.offers(slot(number)) if offer.reset_type is reset_type)
    assert (offer.offered, offer.sentence) == (False, refused.message)


def test_what_is_offered_is_what_is_accepted(rows, operator):
    for number in (CM4, CM5, M4N, LM3H):
        for held_to_be in PowerState:
            believe(number, held_to_be)
            for offer in power.offers(slot(number)):
                try:
                    with transaction.atomic():
                        power.plan(slot(number), Ask(offer.reset_type, accept_stranding=True))
                    accepted = True
                except Refused:
                    accepted = False
                assert accepted == offer.offered, (number, held_to_be, offer)


def test_a_contradicted_state_is_planned_with_as_unknown(rows, operator):
    believe(CM5, OFF, Basis.COMMANDED, contradiction="commanded Off, link still up, 1 Gb/s")
    assert refusal(CM5, ResetType.ON, operator).code == "ambiguous-power-state"


def test_an_on_that_shows_life_is_on_though_a_shutdown_was_asked_for(rows, operator):
    believe(CM5, ON, contradiction="Off was asked for at 11:57:59 UTC, but link still up, 1 Gb/s")
    assert ask(CM5, ResetType.GRACEFUL_SHUTDOWN, operator).state == OperationState.QUEUED


def test_forcing_a_cm5_off_needs_an_explicit_yes_to_stranding_it(rows, operator):
    believe(CM5, ON)
    refused = refusal(CM5, ResetType.FORCE_OFF, operator)
    assert refused.code == "stranding-not-accepted"
    assert "then does not start again until the whole board loses power" in refused.message
    assert ask(CM5, ResetType.FORCE_OFF, operator, accept_stranding=True).plan["latches"] is True


def test_a_cm5_whose_owner_cured_the_latch_needs_no_such_yes(rows, operator):
    Som.objects.filter(slot__number=CM5).update(latch_cured=True)
    believe(CM5, ON)
    assert ask(CM5, ResetType.FORCE_OFF, operator).plan["latches"] is False


def test_a_busy_slot_names_the_holder_before_anything_else(rows, operator, administrator):
    believe(CM4, ON)
    first = ask(CM4, ResetType.FORCE_OFF, administrator)
    refused = refusal(CM4, ResetType.ON, operator)
    assert refused.code == "busy"
    assert refused.message.startswith("demo, slot 2 is busy: Force off slot 2, asked for by alice at ")
    assert refused.detail["operation"] == str(first.pk)
    believe(M4N, ON)
    assert ask(M4N, ResetType.FORCE_OFF, operator).state == OperationState.QUEUED


# The supply


def supplied_with(watts: float, rows: Board) -> None:
    """Let the board have this supply, and all SOMs but the controller be off."""
    Board.objects.filter(pk=rows.pk).update(supply="custom", supply_watts=watts)
    for number in (CM4, CM5, 4, M4N, LM3H):
        believe(number, OFF)


def test_a_start_that_the_supply_cannot_carry_is_refused_with_the_sum(rows, operator):
    supplied_with(30, rows)
    for number in (1, 4, M4N, LM3H):
        believe(number, ON)
    refused = refusal(CM5, ResetType.ON, operator)
    assert refused.code == "over-budget"
    assert refused.detail == {"counted_watts": 36.0, "supply_watts": 30.0}
    assert refused.message == (
        "Starting slot 3 could draw 36 W at its peak, and the supply gives 30 W: 3.6 W for the board + 3.7 W for slot "
        "1 (LM3H) + 8 W for slot 3 (CM5) + 8 W for slot 4 (CM5) + 9 W for slot 5 (M4N) + 3.7 W for slot 6 (LM3H) = "
        "36 W."
    )


@pytest.mark.parametrize(
    ("held_to_be", "more"),
    [(UNKNOWN, {}), (POWERING_OFF, {}), (OFF, {"contradiction": "commanded Off, link still up"})],
)
def test_whatever_is_not_surely_off_counts_as_on(rows, operator, held_to_be, more):
    supplied_with(20, rows)
    believe(4, held_to_be, **more)
    assert refusal(CM5, ResetType.ON, operator).code == "over-budget"
    believe(4, OFF)
    assert ask(CM5, ResetType.ON, operator).state == OperationState.QUEUED


def test_a_start_that_is_still_queued_counts_as_on(rows, operator):
    supplied_with(20, rows)
    ask(CM5, ResetType.ON, operator)
    refused = refusal(4, ResetType.ON, operator)
    assert refused.code == "over-budget"
    assert "8 W for slot 3 (CM5) + 8 W for slot 4 (CM5)" in refused.message


def test_switching_off_is_never_a_matter_of_the_budget(rows, operator):
    supplied_with(5, rows)
    believe(CM4, ON)
    assert ask(CM4, ResetType.FORCE_OFF, operator).state == OperationState.QUEUED


@pytest.mark.django_db(transaction=True)
def test_two_starts_at_once_do_not_exceed_together_what_each_alone_would_not(rows, operator):
    supplied_with(20, rows)
    results = together(lambda n: ask(CM5 + n, ResetType.ON, operator), count=2)
    assert sorted(type(result).__name__ for result in results) == ["Operation", "OverBudget"]


# What is queued


def test_an_accepted_request_is_queued_claimed_planned_and_on_record(rows, operator):
    believe(CM5, ON)
    operation = ask(CM5, ResetType.GRACEFUL_SHUTDOWN, operator, reason="update")
    assert (operation.state, operation.title, operation.actor) == ("queued", "Shut down slot 3", "olga")
    assert operation.expires_at - operation.created_at == lifecycle.EXPIRY
    assert [step["step"] for step in operation.plan["steps"]] == ["drive", "wait", "drive", "await"]
    assert held() == ["demo/slot:3"]
    assert operation.power.generation == operation.claim.pk
    assert operation.power.believed == ON
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.outcome, entry.reason) == (
        "power.reset",
        "demo/slot:3",
        "requested",
        "update",
    )
    assert json.loads(entry.text)["detail"]["plan"] == operation.plan
    assert state(CM5) == (ON, Basis.OBSERVED)


def test_what_is_decided_is_decided_on_the_state_as_it_is_by_then(rows, operator):
    believe(CM5, ON)
    as_the_page_had_it = slot(CM5)
    believe(CM5, OFF)
    with pytest.raises(refusals.Conflict, match=r"The CM5 is off already\."):
        power.request_reset(as_the_page_had_it, Ask(ResetType.GRACEFUL_SHUTDOWN), operator)


@pytest.mark.django_db(transaction=True)
def test_of_eight_clicks_at_once_one_is_queued_and_seven_are_told_who_was_first(rows, operator):
    believe(CM4, ON)
    results = together(lambda number: ask(CM4, ResetType.FORCE_OFF, operator))
    assert sorted(type(result).__name__ for result in results) == ["Busy"] * 7 + ["Operation"]
    assert Operation.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_eight_requests_with_one_key_one_is_queued_and_all_get_it(rows, operator):
    believe(CM4, ON)
    results = together(lambda number: ask(CM4, ResetType.FORCE_OFF, operator, key="double click"))
    assert {result.pk for result in results} == {Operation.objects.get().pk}
    assert AuditEntry.objects.filter(outcome="requested").count() == 1


# The broker


def test_a_broker_that_is_away_ends_the_operation_and_frees_the_slot(rows, operator, broker_away):
    believe(CM4, ON)
    with pytest.raises(refusals.BrokerUnavailable, match=r"Nothing was switched\. Try again soon\."):
        ask(CM4, ResetType.FORCE_OFF, operator)
    operation = Operation.objects.get()
    assert (operation.state, operation.code) == (OperationState.FAILED, "broker-unavailable")
    assert held() == []
    assert list(AuditEntry.objects.order_by("seq").values_list("outcome", "code")) == [
        ("requested", ""),
        ("failed", "broker-unavailable"),
    ]


def test_a_retry_with_the_same_key_after_a_503_is_a_new_try(rows, operator, broker_away):
    believe(CM4, ON)
    with pytest.raises(refusals.BrokerUnavailable):
        ask(CM4, ResetType.FORCE_OFF, operator, key="k1")
    assert not IdempotencyKey.objects.exists()
    broker_away.back()
    assert ask(CM4, ResetType.FORCE_OFF, operator, key="k1").state == OperationState.QUEUED


def test_an_answer_of_the_broker_that_was_lost_is_no_failure_of_what_runs_already(rows, operator, monkeypatch):
    believe(CM4, ON)

    def delivered_without_an_answer(operation: Operation) -> None:
        lifecycle.start(str(operation.pk), worker="local", instance="i1")
        raise power.dispatch.BrokerAway("connection reset")

    monkeypatch.setattr(power.dispatch, "send", delivered_without_an_answer)
    operation = ask(CM4, ResetType.FORCE_OFF, operator, key="k1")
    assert Operation.objects.get(pk=operation.pk).state == OperationState.RUNNING
    assert ask(CM4, ResetType.FORCE_OFF, operator, key="k1") == operation


def test_what_is_queued_is_sent_again_until_it_expires(rows, operator, monkeypatch):
    believe(CM4, ON)
    operation = ask(CM4, ResetType.FORCE_OFF, operator)
    sent: list[Operation] = []
    monkeypatch.setattr(power.dispatch, "send", sent.append)
    monkeypatch.setattr(power, "_sent_at", {})
    power.send_due()
    assert sent == [], "its first message is on the way"
    Operation.objects.update(created_at=timezone.now() - timedelta(seconds=power.RESEND_SECONDS / 20 + 0.1))
    power.send_due()
    power.send_due()
    assert sent == [operation]
    Operation.objects.update(expires_at=timezone.now())
    power.send_due()
    assert Operation.objects.get().state == OperationState.EXPIRED
    assert held() == []


def test_a_worker_that_finds_no_broker_tries_again_and_lets_it_expire(rows, operator, broker_away):
    believe(CM4, ON)
    broker_away.back()
    operation = ask(CM4, ResetType.FORCE_OFF, operator)
    Operation.objects.update(created_at=timezone.now() - timedelta(seconds=power.RESEND_SECONDS))
    broker_away.leave()
    power.send_due()
    assert Operation.objects.get(pk=operation.pk).state == OperationState.QUEUED
