"""Giving and taking rights: people and groups, ends, the last administrator, and who may what."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import access, places
from accounts.actors import actor_for, actor_now
from accounts.models import RightGrant, Role, User
from accounts.services import groups, invitations, people, rights
from operations.models import AuditEntry
from operations.refusals import BadRequest, Conflict, Expired, NotFound
from operations.rights import Grant
from operations.roles import Actor, may
from tests.accounts.conftest import PASSWORD, make_person

DEMO = places.Board("demo", "Demo", tuple(places.Place(f"demo/slot:{number}", "", True) for number in range(1, 8)))


@pytest.fixture(autouse=True)
def one_board(monkeypatch):
    monkeypatch.setattr(places, "_look_up", [lambda slug: [DEMO] if slug in ("", "demo") else []])


@pytest.fixture
def carol(db) -> User:
    return make_person("carol", "")


def allowed(person: User, action: str, resource: str) -> bool:
    return bool(may(actor_for(User.objects.get(pk=person.pk)), action, resource))


def test_a_right_on_a_slot_is_given_and_taken_and_on_record(alice, carol):
    row = rights.give(actor_for(alice), carol, "flasher", "demo/slot:3")
    assert allowed(carol, "flash", "demo/slot:3")
    assert not allowed(carol, "flash", "demo/slot:4")
    rights.take(actor_for(alice), row)
    assert not allowed(carol, "view", "demo")
    entries = AuditEntry.objects.filter(target="person:carol").order_by("seq")
    assert [(entry.actor, entry.action) for entry in entries] == [("alice", "right.give"), ("alice", "right.take")]
    assert '"after":{"right":"flasher on slot 3 of demo"},"before":{"right":null}' in entries[0].text
    assert '"after":{"right":null},"before":{"right":"flasher on slot 3 of demo"}' in entries[1].text


def test_giving_the_same_right_again_changes_its_end(alice, carol):
    day = timezone.now() + timedelta(days=1)
    rights.give(actor_for(alice), carol, "operator", "demo", until=day)
    rights.give(actor_for(alice), carol, "operator", "demo", console="read")
    row = RightGrant.objects.get()
    assert (row.until, row.console) == (None, "read")
    assert "consoles: watch" in AuditEntry.objects.first().text


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"role": "owner"}, "unknown-role"),
        ({"role": ""}, "unknown-role"),
        ({"scope": "demo/slot:9"}, "unknown-scope"),
        ({"scope": "lab"}, "unknown-scope"),
        ({"scope": "demo/uart:3"}, "unknown-scope"),
        ({"scope": ""}, "unknown-scope"),
        ({"console": "all"}, "unknown-console"),
        ({"until": timezone.now() - timedelta(minutes=1)}, "ended-already"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(alice, carol, change, code):
    with pytest.raises(BadRequest) as refusal:
        rights.give(actor_for(alice), carol, **{"role": "operator", "scope": "demo", **change})
    assert refusal.value.code == code
    assert not RightGrant.objects.exists()
    assert not AuditEntry.objects.exists()


def test_a_right_that_is_gone_cannot_be_taken_twice(alice, carol):
    row = rights.give(actor_for(alice), carol, "operator", "demo")
    stale = RightGrant.objects.get(pk=row.pk)
    rights.take(actor_for(alice), row)
    with pytest.raises(NotFound, match="taken away already"):
        rights.take(actor_for(alice), stale)


def test_a_group_gives_its_rights_to_its_members_as_long_as_they_are_in_it(alice, carol):
    group = groups.add(actor_for(alice), "class-b")
    rights.give(actor_for(alice), group, "operator", "demo/slot:3")
    assert not allowed(carol, "power", "demo/slot:3")
    groups.set_members(actor_for(alice), group, [carol])
    assert allowed(carol, "power", "demo/slot:3")
    groups.set_members(actor_for(alice), group, [])
    assert not allowed(carol, "power", "demo/slot:3")
    groups.set_members(actor_for(alice), group, [carol])
    groups.remove(actor_for(alice), group)
    assert not allowed(carol, "power", "demo/slot:3")
    said = list(AuditEntry.objects.filter(target="group:class-b").order_by("seq").values_list("action", flat=True))
    assert said == ["group.add", "right.give", "group.members", "group.members", "group.members", "group.remove"]


def test_the_name_of_a_group_is_one_nobody_else_has(alice):
    group = groups.add(actor_for(alice), "class-b")
    with pytest.raises(Conflict):
        groups.add(actor_for(alice), "Class-B")
    for name in ("", "  ", "x" * 61, "line\nbreak"):
        with pytest.raises(BadRequest):
            groups.add(actor_for(alice), name)
    groups.rename(actor_for(alice), group, "class-c")
    assert Group.objects.get().name == "class-c"


def test_every_change_of_rights_reaches_open_sockets(alice, carol):
    actor, seen = actor_for(alice), [access.current_version()]

    def grew() -> bool:
        seen.append(access.current_version())
        return seen[-1] > seen[-2]

    row = rights.give(actor, carol, "operator", "demo")
    assert grew()
    rights.take(actor, row)
    assert grew()
    group = groups.add(actor, "class-b")
    rights.give(actor, group, "operator", "demo")
    grew()
    groups.set_members(actor, group, [carol])
    assert grew()
    groups.remove(actor, group)
    assert grew()


def test_a_right_that_was_taken_away_counts_no_more_for_what_was_asked_before(alice, carol):
    row = rights.give(actor_for(alice), carol, "operator", "demo")
    before = actor_for(User.objects.get(pk=carol.pk))
    assert may(before, "power", "demo/slot:3")
    rights.take(actor_for(alice), row)
    assert not may(actor_now(before), "power", "demo/slot:3")
    people.switch_off(actor_for(alice), carol)
    assert actor_now(before).held == ()


def administrator_by_group(alice: User, somebody: User) -> Group:
    group = groups.add(actor_for(alice), "admins")
    rights.give(actor_for(alice), group, "administrator", "*")
    groups.set_members(actor_for(alice), group, [somebody])
    return group


def test_the_last_administrator_may_be_one_by_a_group_and_stays_in_it(alice, carol):
    group = administrator_by_group(alice, carol)
    people.change_role(actor_for(alice), alice, "viewer")
    actor = Actor("carol", user_id=carol.pk)
    grant = group.grants.get()
    for act in (
        lambda: groups.set_members(actor, group, []),
        lambda: groups.remove(actor, group),
        lambda: rights.take(actor, grant),
        lambda: rights.give(actor, group, "administrator", "*", until=timezone.now() + timedelta(days=1)),
        lambda: people.switch_off(actor, carol),
        lambda: people.remove(actor, carol),
    ):
        with pytest.raises(Conflict) as refusal:
            act()
        assert refusal.value.code == "last-administrator"
    assert list(people.administrators()) == [carol]
    people.change_role(actor, alice, "administrator")
    groups.remove(actor, group)
    assert list(people.administrators()) == [alice]


@pytest.mark.parametrize("kind", ["machine", "invited", "until", "board"])
def test_who_cannot_sign_in_for_good_and_everywhere_is_no_administrator_to_count_on(alice, kind):
    actor = actor_for(alice)
    if kind == "machine":
        User.objects.create_user("ci", password=PASSWORD, role=Role.ADMINISTRATOR, kind="machine")
    elif kind == "invited":
        invitations.invite(actor, "ivan", "administrator")
    else:
        until = timezone.now() + timedelta(days=1) if kind == "until" else None
        scope = "*" if kind == "until" else "demo"
        rights.give(actor, make_person("dan", ""), "administrator", scope, until=until)
    with pytest.raises(Conflict):
        people.change_role(actor, alice, "viewer")


def test_an_account_is_removed_with_its_rights_and_its_history_stays(alice, carol):
    rights.give(actor_for(alice), carol, "operator", "demo")
    people.remove(actor_for(alice), carol)
    assert not RightGrant.objects.exists()
    assert not User.objects.filter(username="carol").exists()
    assert AuditEntry.objects.filter(target="person:carol").count() == 2


# ---- Who may what ------------------------------------------------------------------------------------------------


def test_why_somebody_may_not_is_answered_for_them(alice, carol):
    rights.give(actor_for(alice), carol, "operator", "demo/slot:3")
    rights.give(actor_for(alice), carol, "operator", "demo/slot:5")
    why = rights.explain(carol, "flash", "demo/slot:3")
    assert why.reason == "Flashing slot 3 needs the role flasher there; carol is operator on slots 3 and 5."
    yes = rights.explain(carol, "power", "demo/slot:3")
    assert yes.reason == "Switching slot 3 is allowed: carol is operator on slots 3 and 5 of demo."
    with pytest.raises(BadRequest):
        rights.explain(carol, "fly", "demo/slot:3")


def test_the_matrix_says_of_each_slot_what_somebody_may(alice, vera, carol):
    group = groups.add(actor_for(alice), "class-b")
    groups.set_members(actor_for(alice), group, [carol])
    rights.give(actor_for(alice), group, "operator", "demo/slot:3")
    rights.give(actor_for(alice), carol, "flasher", "demo/slot:5", console="none")
    everybody = User.objects.prefetch_related("grants", "groups__grants")
    rows = {row.person.username: row for row in rights.matrix(everybody, DEMO)}
    said = {name: [cell.said for cell in row.cells] for name, row in rows.items()}
    nothing = "nothing"
    assert said["alice"] == ["see, power, type on console and flash"] * 7
    assert said["vera"] == ["see"] * 7
    assert said["carol"] == [
        *(nothing, nothing, "see, power and type on console", nothing, "see, power and flash", nothing, nothing)
    ]
    assert rows["carol"].groups == ["class-b"]
    assert rows["carol"].role == "is flasher without consoles on slot 5 and operator on slot 3"


def test_the_matrix_asks_no_more_for_more_people(alice):
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            rights.matrix(User.objects.prefetch_related("grants", "groups__grants"), DEMO)
        return len(seen)

    few = queries()
    for number in range(20):
        make_person(f"p{number}", "")
    assert queries() == few


def test_the_rights_of_a_person_cost_one_query_and_those_of_an_administrator_none(
    alice, carol, django_assert_num_queries
):
    with django_assert_num_queries(1):
        actor_for(carol)
    with django_assert_num_queries(0):
        actor_for(alice)


# ---- Invitations -------------------------------------------------------------------------------------------------


def test_somebody_who_was_invited_chooses_a_password_once(alice, client):
    person, secret = invitations.invite(actor_for(alice), "ivan", "", [Grant("operator", "demo/slot:3")])
    assert not client.login(username="ivan", password="")
    assert invitations.check(secret).user == person
    invitations.redeem(secret, PASSWORD, "192.0.2.7")
    assert client.login(username="ivan", password=PASSWORD)
    assert allowed(person, "power", "demo/slot:3")
    with pytest.raises(NotFound, match="used already"):
        invitations.redeem(secret, "another long password")
    assert client.login(username="ivan", password=PASSWORD)
    entry = AuditEntry.objects.get(action="person.join")
    assert (entry.actor, entry.source, entry.address, entry.target) == ("ivan", "setup", "192.0.2.7", "person:ivan")


def test_what_is_kept_of_a_link_does_not_open_it(alice):
    person, secret = invitations.invite(actor_for(alice), "ivan")
    kept = person.invitation
    assert secret not in (kept.digest, str(kept))
    with pytest.raises(NotFound):
        invitations.check(kept.digest)


def test_a_newer_link_ends_the_one_before_and_leaves_the_password_until_it_is_used(alice, olga, client):
    first = invitations.renew(actor_for(alice), olga)
    second = invitations.renew(actor_for(alice), olga)
    with pytest.raises(NotFound):
        invitations.check(first)
    assert client.login(username="olga", password=PASSWORD)
    invitations.redeem(second, "another long password")
    assert not client.login(username="olga", password=PASSWORD)


def test_a_link_is_good_for_three_days(alice, olga):
    secret = invitations.renew(actor_for(alice), olga)
    olga.invitation.expires_at -= invitations.LIFE
    olga.invitation.save()
    with pytest.raises(Expired, match="ask an administrator for a new one"):
        invitations.redeem(secret, PASSWORD)


def test_a_link_of_somebody_who_was_switched_off_or_is_a_machine_opens_nothing(alice, olga):
    secret = invitations.renew(actor_for(alice), olga)
    people.switch_off(actor_for(alice), olga)
    with pytest.raises(NotFound):
        invitations.check(secret)
    machine = User.objects.create_user("ci", kind="machine", role="operator")
    with pytest.raises(BadRequest, match="make a token"):
        invitations.renew(actor_for(alice), machine)


def test_a_wrong_right_invites_nobody(alice):
    with pytest.raises(BadRequest):
        invitations.invite(actor_for(alice), "ivan", "", [Grant("operator", "demo/slot:9")])
    assert not User.objects.filter(username="ivan").exists()
