"""What several do at the same moment when they sign in; also on PostgreSQL."""

from datetime import datetime, timedelta

import pyotp
import pytest

from accounts.actors import actor_for
from accounts.models import User
from accounts.services import groups, invitations, people, rights, second_factor, setup, throttling
from accounts.services.throttling import ACCOUNT
from operations.refusals import Conflict, NotFound
from operations.roles import Actor
from tests.accounts.conftest import PASSWORD, make_person
from tests.operations.rig import together

pytestmark = pytest.mark.django_db(transaction=True)
NOW = datetime.fromisoformat("2026-11-23T14:02:15+00:00")
OLGA = Actor("olga", "operator")


def code_of(secret: str, at: datetime) -> str:
    return pyotp.TOTP(secret).at(at)


def test_many_tries_at_once_do_not_pass_as_one():
    make_person("olga")
    make_person("alice", "administrator")
    keys = throttling.keys_for_password("olga", "10.0.0.7")

    def take(_: int) -> str:
        try:
            throttling.take(keys)
        except throttling.TooManyTries:
            return "waits"
        return "passes"

    assert together(take, 12).count("passes") == ACCOUNT.free + 1


def test_of_two_who_send_the_same_code_at_once_one_gets_in(olga):
    secret = second_factor.begin(olga, "NanoPortal").secret
    second_factor.confirm(OLGA, olga, code_of(secret, NOW - timedelta(seconds=30)), NOW)
    code = code_of(secret, NOW)
    assert together(lambda _: second_factor.accept_code(olga, code, NOW), 6).count(True) == 1
    recovery = second_factor.new_recovery_codes(OLGA, olga)[0]
    assert together(lambda _: second_factor.accept_recovery_code(olga, recovery), 6).count(True) == 1


def test_what_was_counted_together_is_given_back_together(olga):
    keys = throttling.keys_for_password("olga", "10.0.0.7")
    allowances = together(lambda _: throttling.take(keys), 4)
    together(lambda number: throttling.give_back(allowances[number]), 4)
    assert not throttling.SignInTries.objects.filter(count__gt=1).exists()


def test_of_those_who_open_the_set_up_link_at_once_one_becomes_administrator(data_dir):
    token = setup.make_setup_token(data_dir)

    def redeem(number: int) -> str:
        try:
            return setup.redeem(data_dir, token, f"first-{number}", PASSWORD).role
        except Conflict as refusal:
            return refusal.code

    assert sorted(together(redeem, 4)) == ["administrator", *["setup-link-used"] * 3]
    assert User.objects.count() == 1


def test_of_those_who_open_a_link_at_once_one_chooses_the_password(olga):
    secret = invitations.renew(OLGA, olga)

    def redeem(number: int) -> str:
        try:
            invitations.redeem(secret, f"{PASSWORD} {number}")
        except NotFound:
            return ""
        return f"{PASSWORD} {number}"

    (chosen,) = filter(None, together(redeem, 4))
    assert User.objects.get(pk=olga.pk).check_password(chosen)


def test_of_administrators_who_take_the_right_from_one_another_at_once_one_stays():
    """By each way there is: a role, being switched off, being removed, a group's right and membership."""
    names = ("alice", "bob", "carol", "dave", "erin")
    alice, bob, carol, dave, erin = (make_person(name, "administrator") for name in names)
    actor = actor_for(alice)
    group = groups.add(actor, "admins")
    grant = rights.give(actor, group, "administrator", "*")
    groups.set_members(actor, group, [dave, erin])
    for member in (dave, erin):
        people.change_role(actor, member, "")
    acts = [
        lambda: people.change_role(actor_for(bob), alice, "viewer"),
        lambda: people.switch_off(actor_for(alice), bob),
        lambda: people.remove(actor_for(dave), carol),
        lambda: groups.set_members(actor_for(erin), group, [erin]),
        lambda: rights.take(actor_for(carol), grant),
    ]

    def act(number: int) -> str:
        try:
            acts[number]()
        except Conflict as refusal:
            return refusal.code
        return "done"

    said = together(act, len(acts))
    assert said.count("last-administrator") == 1
    assert people.administrators().count() == 1
