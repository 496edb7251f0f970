"""The access version grows when rights change, and only then."""

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone

from accounts import access
from accounts.actors import actor_for
from accounts.models import AccessVersion, RightGrant, Session
from accounts.services import people

pytestmark = pytest.mark.django_db


def grew(act) -> bool:
    before = access.current_version()
    act()
    return access.current_version() > before


def test_it_starts_at_zero_and_needs_no_row():
    AccessVersion.objects.all().delete()
    assert access.current_version() == 0
    assert grew(access.bump)


def test_roles_passwords_and_switching_off_count(alice, vera):
    actor = actor_for(alice)
    assert grew(lambda: people.change_role(actor, vera, "operator"))
    assert grew(lambda: people.set_password(actor, vera, "another long password"))
    assert grew(lambda: people.switch_off(actor, vera))


def test_a_change_past_the_services_counts_too(vera):
    group = Group.objects.create(name="class")
    assert grew(lambda: vera.groups.add(group))
    given = {"role": "operator", "given_by": "shell", "given_at": timezone.now()}
    assert grew(lambda: RightGrant.objects.create(group=group, scope="*", **given))
    assert grew(group.grants.get().delete)
    assert grew(group.delete)
    assert grew(vera.delete)


def test_the_end_of_a_session_counts(signed_in, vera):
    browser = signed_in(vera)
    assert grew(lambda: browser.post("/logout/"))
    signed_in(vera)
    assert grew(lambda: Session.objects.get().delete())


def test_signing_in_and_looking_around_do_not_count(client, alice):
    client.post("/login/", {"username": "alice", "password": "correct horse battery"})
    assert not grew(lambda: client.get("/people/"))
    assert not grew(lambda: alice.save(update_fields=["last_login"]))
