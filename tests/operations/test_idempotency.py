"""The same Idempotency-Key of the same person is the same request, once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from operations import idempotency
from operations.models import IdempotencyKey, Operation
from operations.refusals import BadRequest, Busy, IdempotencyMismatch
from tests.operations.rig import held, new_operation, together

BODY = {"slot": 3, "reset_type": "On"}


def ask(actor, key="k1", body=BODY, make=new_operation):
    return idempotency.once(key, actor, body, make)


def test_the_same_key_and_body_give_the_operation_that_was_made_the_first_time(db, operator):
    first, new = ask(operator)
    assert new
    again, new = ask(operator)
    assert (again, new) == (first, False)
    assert Operation.objects.count() == 1


def test_the_order_of_the_fields_of_a_body_does_not_matter(db, operator):
    first, _ = ask(operator)
    again, _ = ask(operator, body=dict(reversed(BODY.items())))
    assert again == first


def test_another_body_under_the_same_key_is_refused(db, operator):
    ask(operator)
    with pytest.raises(IdempotencyMismatch, match="used before for another request; use a new key"):
        ask(operator, body={**BODY, "reset_type": "ForceOff"})
    assert Operation.objects.count() == 1


def test_the_same_key_of_another_person_is_another_request(db, operator, administrator):
    first, _ = ask(operator)
    other, new = ask(administrator, make=lambda: new_operation("b1/slot:4"))
    assert new
    assert other != first


def test_without_a_key_each_request_is_its_own(db, operator):
    assert ask(operator, key="")[1]
    assert ask(operator, key="", make=lambda: new_operation("b1/slot:4"))[1]
    assert not IdempotencyKey.objects.exists()


def test_a_key_is_forgotten_after_24_hours_and_not_before(db, operator):
    first, _ = ask(operator)
    IdempotencyKey.objects.update(at=timezone.now() - timedelta(hours=23, minutes=59))
    assert ask(operator)[0] == first
    IdempotencyKey.objects.update(at=timezone.now() - timedelta(hours=24, seconds=1))
    other, new = ask(operator, make=lambda: new_operation("b1/slot:4"))
    assert new
    assert other != first


@pytest.mark.parametrize("key", ["x" * 201, "line\nbreak", "\x00"])
def test_a_key_that_cannot_be_one_is_refused_in_one_sentence(db, operator, key):
    with pytest.raises(BadRequest, match=r"Idempotency-Key takes up to 200 printable characters\."):
        ask(operator, key=key)
    assert not Operation.objects.exists()


def test_a_request_that_was_refused_does_not_use_up_its_key(db, operator):
    def refuse() -> Operation:
        raise Busy("slot 3 is busy.")

    with pytest.raises(Busy):
        ask(operator, make=refuse)
    assert ask(operator)[1]


def test_a_key_can_be_forgotten_when_nothing_came_of_its_operation(db, operator):
    first, _ = ask(operator)
    idempotency.forget(first)
    other, new = ask(operator, make=lambda: new_operation("b1/slot:4"))
    assert new
    assert other != first


@pytest.mark.django_db(transaction=True)
def test_of_eight_equal_requests_at_once_one_acts_and_all_get_its_operation(operator):
    results = together(lambda number: ask(operator))
    assert not [result for result in results if isinstance(result, Exception)], results
    assert sorted(new for _, new in results) == [False] * 7 + [True]
    assert {operation.pk for operation, _ in results} == {Operation.objects.get().pk}
    assert held() == ["b1/slot:3"]


@pytest.mark.django_db(transaction=True)
def test_of_eight_requests_with_one_key_and_different_bodies_one_acts(operator):
    results = together(lambda number: ask(operator, body={"slot": number}))
    assert len([result for result in results if isinstance(result, IdempotencyMismatch)]) == 7
    assert Operation.objects.count() == 1
