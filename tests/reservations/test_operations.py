"""What becomes of operations where a slot turns into somebody else's."""

from typing import Any
from uuid import uuid4

import pytest

from operations import lifecycle
from operations.models import Operation
from operations.refusals import NotPermitted
from operations.roles import Actor, may
from reservations.services import booking
from tests.operations.rig import new_operation
from tests.reservations.rig import Clock, reserve

POWER = ("power", "b1/slot:3")


def asked_by(actor: Actor, clock: Clock, **more: Any) -> Operation:
    return new_operation("b1/slot:3", actor=actor.name, actor_user_id=actor.user_id, created_at=clock.now, **more)


@pytest.mark.parametrize("kind", ["power.reset", "flash.write"])
def test_what_was_asked_for_before_the_slot_became_anothers_is_not_begun(clock, bob, make_grant, carol, kind):
    make_grant("carol", "flasher", "b1/slot:3")
    reserve(bob, 1, at=1)
    clock.go(minutes=59, seconds=30)
    operation = asked_by(carol, clock, kind=kind)
    Operation.objects.update(expires_at=clock.now.replace(hour=14))
    clock.go(seconds=31)
    assert lifecycle.start(str(operation.pk), worker="local", instance="i1") is None
    operation.refresh_from_db()
    assert (operation.state, operation.code) == ("failed", "not-permitted")
    assert operation.message.startswith("bob has reserved slot 3 until 14:00 UTC, for “swap SSD”.")


def test_a_group_whose_turn_comes_too_late_leaves_the_reserved_slot_alone_and_drives_the_others(clock, bob, carol):
    group, more = uuid4(), {"actor": "carol", "actor_user_id": carol.user_id, "created_at": clock.now}
    reserve(bob, 1, at=1)
    clock.go(minutes=59, seconds=58)
    names = ["b1/slot:4", "b1/slot:3", "b1/slot:5"]
    waits = {"state": "waiting", "expires_at": None}
    made = [
        new_operation(name, group=group, position=place, **more | (waits if place else {}))
        for place, name in enumerate(names)
    ]
    for operation in made:
        clock.go(seconds=1)
        lifecycle.housekeeping_queue(["b1"])
        if lifecycle.start(str(operation.pk), worker="local", instance="i1"):
            lifecycle.interrupt(operation, "It ended.")
    codes = Operation.objects.order_by("position").values_list("code", flat=True)
    assert list(codes) == ["interrupted", "not-permitted", "interrupted"]


def test_what_has_begun_goes_on_and_its_person_may_still_cancel_it(clock, alice, bob, carol):
    row = reserve(carol, 2)
    operation = asked_by(carol, clock)
    Operation.objects.update(expires_at=clock.now.replace(hour=14))
    assert lifecycle.start(str(operation.pk), worker="local", instance="i1") is not None
    clock.pass_unseen(seconds=5)
    booking.break_glass(row.pk, "fan", alice)
    lifecycle.cancel(operation, carol)
    operation.refresh_from_db()
    assert operation.cancel_requested_by == "carol"
    with pytest.raises(NotPermitted):
        lifecycle.cancel(operation, bob)


def test_who_has_an_operation_there_types_no_more_and_asks_for_nothing_once_it_has_ended(clock, alice, carol):
    row = reserve(carol, 2)
    operation = asked_by(carol, clock)
    Operation.objects.update(expires_at=clock.now.replace(hour=14))
    assert lifecycle.start(str(operation.pk), worker="local", instance="i1") is not None
    clock.pass_unseen(seconds=5)
    booking.break_glass(row.pk, "fan", alice)
    assert may(carol, *POWER)
    assert not may(carol, "console.write", "b1/uart:3")
    lifecycle.interrupt(operation, "It ended.")
    assert not may(carol, *POWER)
