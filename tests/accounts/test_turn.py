"""An operation at its turn: who asked for it must still be allowed to, or nothing is driven."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import places
from accounts.models import RightGrant, User
from accounts.services import people, rights
from operations import lifecycle
from operations.models import AuditEntry, Claim, Operation, OperationState, Reservation, ReservationState
from operations.roles import PORTAL
from tests.accounts.conftest import make_person
from tests.accounts.test_rights import DEMO
from tests.operations.rig import new_operation, now_is

SLOT = "demo/slot:3"


@pytest.fixture
def carol(db, monkeypatch) -> User:
    """Operator of one slot."""
    monkeypatch.setattr(places, "_look_up", [lambda slug: [DEMO] if slug in ("", "demo") else []])
    somebody = make_person("carol", "")
    rights.give(PORTAL, somebody, "operator", SLOT)
    return somebody


def asked_by(person: User, **fields) -> Operation:
    more = {"kind": "power.reset", "actor_source": "api", "actor_credential": "session", **fields}
    return new_operation(SLOT, actor=person.username, actor_user_id=person.pk, **more)


def turn(operation: Operation) -> Operation | None:
    return lifecycle.start(str(operation.pk), worker="local", instance="i1")


def test_whoever_is_still_allowed_has_their_turn(carol):
    assert turn(asked_by(carol)) is not None


CHANGES = {
    "the right was taken away": lambda carol: rights.take(PORTAL, carol.grants.get()),
    "the right has ended": lambda carol: carol.grants.update(until=timezone.now() - timedelta(seconds=1)),
    "there is less of it": lambda carol: carol.grants.update(role="viewer"),
    "it is for another slot": lambda carol: carol.grants.update(scope="demo/slot:4"),
    "they were switched off": lambda carol: people.switch_off(PORTAL, carol),
    "they are gone": lambda carol: people.remove(PORTAL, carol),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_was_asked_with_a_right_that_is_gone_ends_before_anything_is_driven(carol, change):
    operation = asked_by(carol)
    CHANGES[change](carol)
    assert turn(operation) is None
    ended = now_is(operation)
    assert (ended.state, ended.code) == (OperationState.FAILED, "not-permitted")
    assert ended.message.startswith("Switching slot 3 needs the role operator")
    assert ended.message.endswith("Nothing was done.")
    assert not Claim.objects.exists()
    entry = AuditEntry.objects.filter(operation_id=operation.pk).get()
    assert (entry.actor, entry.outcome, entry.code) == ("carol", "refused", "not-permitted")


def test_a_slot_that_somebody_else_has_reserved_meanwhile_is_not_touched(carol, alice):
    operation = asked_by(carol)
    now = timezone.now()
    Reservation.objects.create(
        resource=SLOT,
        user_id=alice.pk,
        holder="alice",
        purpose="swap SSD",
        queued_at=now,
        wanted_seconds=3600,
        starts_at=now,
        ends_at=now + timedelta(hours=1),
        state=ReservationState.ACTIVE,
    )
    assert turn(operation) is None
    assert "alice has reserved slot 3" in now_is(operation).message


def test_each_kind_asks_for_the_right_that_it_took_to_ask_for_it(carol):
    operation = asked_by(carol, kind="flash.write")
    assert turn(operation) is None
    assert now_is(operation).message.startswith("Flashing slot 3 needs the role flasher there; carol is operator")


def test_the_next_one_of_a_group_is_not_held_up_by_one_that_may_not(carol, alice):
    group = uuid4()
    first = asked_by(carol, group=group)
    following = new_operation(
        "demo/slot:5", group=group, position=1, state=OperationState.WAITING, expires_at=None, actor_user_id=alice.pk
    )
    RightGrant.objects.all().delete()
    assert turn(first) is None
    assert now_is(following).due_at is not None


def test_the_portals_own_operations_ask_nobody(db):
    assert turn(new_operation(SLOT, actor="portal", actor_source="worker")) is not None


def test_the_look_at_rights_costs_three_queries_and_one_less_for_an_administrator(alice, carol):
    def queries(person: User) -> int:
        operation = asked_by(person)
        with CaptureQueriesContext(connection) as seen:
            started = turn(operation)
        assert started is not None
        lifecycle.interrupt(started, "over")
        return len(seen)

    nobody = User(username="portal")
    assert queries(carol) - queries(nobody) == 3, "the person, what they were granted, who has reserved the slot"
    assert queries(carol) - queries(alice) == 1
