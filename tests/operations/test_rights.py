"""Grants on a board or a slot, their ends, what a token adds, and the sentences for a no."""

from datetime import UTC, datetime, timedelta

import pytest

from operations import rights, roles
from operations.models import Restriction
from operations.refusals import NotFound, NotPermitted
from operations.rights import Grant, Limits
from operations.roles import Actor, may, may_somewhere, seen_boards

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SLOT_3 = Grant("operator", "demo/slot:3")
carol = Actor("carol", grants=(SLOT_3, Grant("operator", "demo/slot:5")))
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("scope", "inside", "outside"),
    [
        ("*", ["portal", "b1", "b1/slot:3", "b1/uart:3", "b1/switch"], []),
        ("b1", ["b1", "b1/slot:3", "b1/uart:7", "b1/switch"], ["portal", "b2", "b10", "b10/slot:3"]),
        (
            "b1/slot:3",
            ["b1/slot:3", "b1/uart:3"],
            ["portal", "b1", "b1/slot:30", "b1/slot:4", "b2/slot:3", "b1/switch"],
        ),
    ],
)
def test_a_scope_holds_for_what_lies_within_it(scope, inside, outside):
    assert [resource for resource in [*inside, *outside] if rights.covers(scope, resource)] == inside


@pytest.mark.parametrize("action", ["power", "flash", "view", "console.read"])
def test_a_right_on_one_slot_is_none_on_another_one(action):
    holder = Actor("carol", grants=(Grant("administrator", "demo/slot:3"),))
    assert may(holder, action, "demo/slot:3")
    assert not may(holder, action, "demo/slot:4")
    assert not may(holder, action, "other/slot:3")


def test_a_console_belongs_to_its_slot():
    assert may(carol, "console.write", "demo/uart:3")
    assert not may(carol, "console.write", "demo/uart:4")


def test_whoever_has_a_slot_sees_its_board_and_what_everybody_shares_and_no_more():
    assert may(carol, "view", "demo")
    assert may(carol, "view", "portal")
    assert may(carol, "image.view", "portal")
    assert not may(carol, "power", "demo")
    assert not may(carol, "switch.view", "demo/switch")
    assert not may(carol, "view", "demo/switch"), "nor what was asked of the switch"
    assert not may(carol, "view", "other")
    assert not may(Actor("carol", grants=(Grant("administrator", "demo"),)), "people.edit", "portal")


def test_a_flasher_of_one_slot_may_bring_an_image_and_not_change_what_others_brought():
    flasher = Actor("carol", grants=(Grant("flasher", "demo/slot:3"),))
    assert may(flasher, "image.upload", "portal")
    assert not may(flasher, "image.edit", "portal")


@pytest.mark.parametrize(
    ("grants", "sentence"),
    [
        (carol.grants, "Flashing slot 3 needs the role flasher there; carol is operator on slots 3 and 5."),
        ((Grant("viewer"), Grant("flasher", "demo/slot:4")),
         "Flashing slot 3 needs the role flasher there; carol is viewer on everything and flasher on slot 4."),
        ((Grant("flasher", "lab/slot:3"), Grant("viewer", "demo")),
         "Flashing slot 3 needs the role flasher there; carol is flasher on slot 3 of lab and viewer on board demo."),
        ((Grant("flasher", "demo", console="none"),), ""),
    ],
)  # fmt: skip
def test_a_no_names_the_right_that_is_needed_there_and_those_that_there_are(grants, sentence):
    assert may(Actor("carol", grants=grants), "flash", "demo/slot:3").reason == sentence


def test_a_right_ends_when_its_time_has_come_and_the_no_says_when_that_was():
    day = Actor("carol", grants=(Grant("flasher", "demo/slot:3", until=NOW),))
    assert may(day, "flash", "demo/slot:3", NOW - timedelta(seconds=1))
    refusal = may(day, "flash", "demo/slot:3", NOW)
    assert refusal.reason == (
        "Flashing slot 3 needs the role flasher; carol has no role. "
        "The role flasher on slot 3 of demo ended on 2026-11-23 at 12:00 UTC."
    )
    assert rights.next_end(day.held, Limits(frozenset(), expires_at=NOW - timedelta(hours=1)), NOW) is None
    assert rights.next_end(day.held, None, NOW - timedelta(hours=1)) == NOW


@pytest.mark.parametrize(
    ("role", "console", "allowed"),
    [
        ("operator", "none", set()),
        ("operator", "read", {"console.read"}),
        ("viewer", "write", {"console.read", "console.write"}),
        ("viewer", "", {"console.read"}),
    ],
)
def test_the_console_is_given_apart_from_the_role(role, console, allowed):
    holder = Actor("carol", grants=(Grant(role, "demo/slot:3", console=console),))
    assert {act for act in ("console.read", "console.write") if may(holder, act, "demo/uart:3")} == allowed
    assert bool(may(holder, "power", "demo/slot:3")) == (role == "operator")


def test_a_restricted_console_counts_only_the_rights_that_are_enough_for_it():
    Restriction.objects.create(resource="demo/uart:3", action="console.read", least_role="operator")
    assert may(carol, "console.read", "demo/uart:3")
    assert not may(Actor("nora", "network-engineer"), "console.read", "demo/uart:3"), (
        "no operator, for all their rights"
    )
    elsewhere = Actor("dan", "viewer", grants=(Grant("operator", "demo/slot:4"),))
    assert not may(elsewhere, "console.read", "demo/uart:3")


def test_a_token_can_do_less_than_its_owner_and_never_more():
    limits = Limits(frozenset({"power"}), ("demo/slot:3",), NOW)
    token = Actor("alice", "administrator", credential="token", limits=limits)
    early = NOW - timedelta(minutes=1)
    assert may(token, "power", "demo/slot:3", early)
    assert may(token, "view", "demo", early)
    assert not may(Actor("vera", "viewer", limits=limits), "power", "demo/slot:3", early)
    said = {
        ("flash", "demo/slot:3", early): "This token is for power; this needs the scope flash.",
        ("power", "demo/slot:4", early): "This token is for slot 3 of demo, not for slot 4.",
        ("power", "demo/slot:3", NOW): "This token expired on 2026-11-23 at 12:00 UTC; make a new one.",
    }
    assert {asked: may(token, *asked).reason for asked in said} == said


@pytest.mark.parametrize("action", ["controller.restart", "switch.override", "switch.reset", "board.edit"])
def test_what_is_in_no_scope_no_token_may_do(action):
    token = Actor("alice", "administrator", limits=Limits(frozenset(rights.SCOPES)))
    assert may(token, action, "demo").reason.endswith("this is nothing that a token may do.")


def test_every_scope_of_a_token_is_of_actions_that_there_are():
    assert set().union(*rights.SCOPES.values()) <= set(rights.ACTIONS)
    assert all("view" in actions for name, actions in rights.SCOPES.items() if name != "metrics")


def test_what_is_not_seen_is_answered_as_if_it_did_not_exist():
    with pytest.raises(NotFound, match="There is no slot 4 on board demo that you may see"):
        roles.require(carol, "power", "demo/slot:4")
    with pytest.raises(NotFound, match="There is no board other"):
        roles.require(carol, "power", "other/slot:3")
    with pytest.raises(NotPermitted):
        roles.require(carol, "flash", "demo/slot:3")
    with pytest.raises(NotPermitted):
        roles.require(carol, "switch.commit", "demo/switch")


def test_the_boards_that_somebody_sees_are_those_of_their_rights_and_their_token():
    both = (SLOT_3, Grant("viewer", "lab"), Grant("viewer", "old", until=datetime(2020, 1, 1, tzinfo=UTC)))
    assert seen_boards(Actor("vera", "viewer")) is None
    assert seen_boards(Actor("carol", grants=both)) == {"demo", "lab"}
    assert seen_boards(Actor("carol", grants=both, limits=Limits(frozenset({"read"}), ("lab",)))) == {"lab"}
    assert seen_boards(Actor("vera", "viewer", limits=Limits(frozenset({"read"}), ("lab/slot:2",)))) == {"lab"}
    assert seen_boards(Actor("vera", "viewer", limits=Limits(frozenset({"metrics"})))) == frozenset()
    assert seen_boards(Actor("nemo")) == frozenset()


def test_a_board_offers_what_is_allowed_on_any_of_its_slots():
    assert may_somewhere(carol, "power", "demo")
    refusal = may_somewhere(carol, "flash", "demo")
    assert refusal.reason == "Flashing board demo needs the role flasher there; carol is operator on slots 3 and 5."
    assert not may_somewhere(carol, "power", "lab")
    limited = Actor("olga", "operator", limits=Limits(frozenset({"power"}), ("demo/slot:3",)))
    assert may_somewhere(limited, "power", "demo")
    assert not may_somewhere(limited, "power", "lab")


@pytest.mark.parametrize(
    ("action", "least"),
    [("power", ["operator"]), ("console.write", ["console-operator"]), ("reserve", ["operator", "network-engineer"])],
)
def test_the_least_roles_for_an_act_are_named_and_not_all_that_have_it(action, least):
    assert rights.roles_with(action) == least


def test_at_least_a_role_means_all_that_allow_what_it_allows():
    assert rights.at_least("operator") == {"operator", "flasher", "administrator"}
    assert rights.at_least("viewer") == set(rights.ROLES)
