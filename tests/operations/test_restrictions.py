"""A console may ask for more than the usual role, reading and typing apart."""

import pytest

from accounts import access
from operations.models import AuditEntry, Restriction
from operations.refusals import BadRequest
from operations.restrictions import restrict
from operations.roles import may

pytestmark = pytest.mark.django_db
CONSOLE = "b1/uart:3"


def test_a_restricted_console_asks_for_more_and_no_other_does(administrator, operator, viewer):
    restrict(CONSOLE, "console.read", "operator", administrator)
    assert not may(viewer, "console.read", CONSOLE)
    assert may(operator, "console.read", CONSOLE)
    assert may(viewer, "console.read", "b1/uart:4")


def test_reading_and_typing_are_restricted_apart(administrator, operator):
    restrict(CONSOLE, "console.write", "administrator", administrator)
    assert may(operator, "console.read", CONSOLE)
    refusal = may(operator, "console.write", CONSOLE)
    assert refusal.reason == "Typing on the console of slot 3 needs the role administrator; olga is operator."


def test_a_restriction_can_be_changed_and_taken_away(administrator, operator, viewer):
    restrict(CONSOLE, "console.read", "administrator", administrator)
    restrict(CONSOLE, "console.read", "operator", administrator)
    assert may(operator, "console.read", CONSOLE)
    restrict(CONSOLE, "console.read", None, administrator)
    assert may(viewer, "console.read", CONSOLE)


@pytest.mark.parametrize(
    ("action", "least_role"),
    [("power", "administrator"), ("console.write", "viewer"), ("console.read", "emperor")],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(administrator, action, least_role):
    with pytest.raises(BadRequest):
        restrict(CONSOLE, action, least_role, administrator)
    assert not Restriction.objects.exists()


def test_each_change_is_on_record_and_counts_as_a_change_of_rights(administrator):
    before = access.current_version()
    restrict(CONSOLE, "console.read", "operator", administrator)
    after = access.current_version()
    restrict(CONSOLE, "console.read", None, administrator)
    assert before < after < access.current_version()
    entries = AuditEntry.objects.filter(action="console.restricted", target=CONSOLE)
    assert [entry.actor for entry in entries] == ["alice", "alice"]
