"""A slot is one operation's at a time, and everybody can see whose."""

import pytest
from django.db import transaction
from django.db.utils import IntegrityError

from operations import claims, lifecycle
from operations.models import Claim, Operation
from operations.refusals import Busy
from tests.operations.rig import begun, held, new_operation, together


def test_a_busy_slot_names_its_holder_the_purpose_and_since_when(db):
    first = new_operation()
    second = new_operation("b1/slot:3", claim=False, actor="bob")
    with pytest.raises(Busy) as refusal:
        claims.take("b1/slot:3", second)
    since = first.claim.since
    assert str(refusal.value) == (f"b1, slot 3 is busy: Force off slot 3, asked for by alice at {since:%H:%M:%S} UTC.")
    assert refusal.value.code == "busy"
    assert refusal.value.detail == {
        "holder": "alice",
        "purpose": "Force off slot 3",
        "since": since.isoformat(),
        "operation": str(first.pk),
    }


def test_a_busy_slot_leaves_the_transaction_usable(db):
    new_operation()
    with transaction.atomic():
        second = new_operation("b1/slot:3", claim=False)
        with pytest.raises(Busy):
            claims.take("b1/slot:3", second)
        claims.take("b1/slot:4", second)
    assert held() == ["b1/slot:3", "b1/slot:4"]


def test_other_slots_and_boards_are_free(db):
    new_operation("b1/slot:3")
    new_operation("b1/slot:4")
    new_operation("b2/slot:3")
    assert held() == ["b1/slot:3", "b1/slot:4", "b2/slot:3"]


def test_the_database_itself_knows_no_second_claim_of_a_resource(db):
    first = new_operation()
    other = new_operation("b1/slot:4", claim=False)
    with pytest.raises(IntegrityError), transaction.atomic():
        Claim.objects.create(
            resource="b1/slot:3", operation=other, holder="bob", purpose="theft", since=first.created_at
        )


@pytest.mark.django_db(transaction=True)
def test_of_eight_who_take_a_slot_at_once_one_has_it():
    waiting = [new_operation("b1/slot:3", claim=False, actor=f"person {number}") for number in range(8)]
    taken = together(lambda number: claims.take("b1/slot:3", waiting[number]))
    winners = [claim for claim in taken if isinstance(claim, Claim)]
    refusals = [error for error in taken if isinstance(error, Busy)]
    assert (len(winners), len(refusals)) == (1, 7)
    assert {refusal.detail["holder"] for refusal in refusals} == {winners[0].holder}


def test_a_generation_is_never_used_twice(db):
    seen = set()
    for _ in range(3):
        operation = new_operation()
        seen.add(operation.claim.pk)
        claims.release(operation)
    assert len(seen) == 3


def test_an_operation_knows_when_its_claim_is_no_longer_its_own(db):
    first = new_operation()
    generation = first.claim.pk
    assert claims.holds(first, generation)
    claims.release(first)
    second = new_operation()
    assert not claims.holds(first, generation)
    assert not claims.holds(second, generation)
    assert claims.holds(second, second.claim.pk)


def cancelled(operation: Operation) -> None:
    with lifecycle.running(begun(operation), lambda whole: ""):
        raise lifecycle.Cancelled("Cancelled by bob.")


def failed(operation: Operation) -> None:
    with pytest.raises(RuntimeError), lifecycle.running(begun(operation), lambda whole: ""):
        raise RuntimeError


def succeeded(operation: Operation) -> None:
    with lifecycle.running(begun(operation), lambda whole: ""):
        pass


def interrupted(operation: Operation) -> None:
    lifecycle.interrupt(begun(operation), "The worker died.")


def expired(operation: Operation) -> None:
    Operation.objects.filter(pk=operation.pk).update(expires_at=operation.created_at)
    assert lifecycle.expire(str(operation.pk))


def never_sent(operation: Operation) -> None:
    assert lifecycle.fail_before_start(operation, "broker-unavailable", "The broker did not answer.")


@pytest.mark.parametrize("end", [succeeded, failed, cancelled, interrupted, expired, never_sent])
def test_every_end_frees_the_slot(db, end):
    operation = new_operation()
    other = new_operation("b1/slot:4")
    end(operation)
    assert held() == ["b1/slot:4"]
    assert not Operation.objects.get(pk=operation.pk).is_open
    assert Operation.objects.get(pk=other.pk).is_open
