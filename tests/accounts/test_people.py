"""Roles, who may change them, and the administrator who cannot be lost."""

import io

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from accounts.actors import actor_for
from accounts.models import Role, User
from accounts.services import groups, invitations, people, rights
from operations.models import AuditEntry
from operations.refusals import BadRequest, Conflict, NotFound
from tests.accounts.conftest import PASSWORD, make_person

pytestmark = pytest.mark.django_db

NEW = {"name": "bob", "role": "operator", "password": PASSWORD, "again": PASSWORD}


def test_a_person_is_a_viewer_unless_somebody_says_otherwise():
    assert User.objects.create_user("bob").role == Role.VIEWER


def test_the_flags_of_django_follow_the_role(vera):
    for role in (Role.ADMINISTRATOR, Role.OPERATOR):
        vera.role = role
        vera.save(update_fields=["role"])
        vera.refresh_from_db()
        assert vera.is_superuser == vera.is_staff == (role == Role.ADMINISTRATOR)


def test_two_names_may_not_differ_in_capitals_only(vera):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.create_user("Vera")


def test_the_database_knows_no_other_role(vera):
    with pytest.raises(IntegrityError), transaction.atomic():
        User.objects.filter(pk=vera.pk).update(role="owner")


ASKED = [
    ("get", "/people/"),
    ("post", "/people/"),
    ("get", "/people/{vera}/"),
    ("post", "/people/{vera}/"),
    ("post", "/people/{vera}/role/"),
    ("post", "/people/{vera}/access/"),
]


@pytest.mark.parametrize(("method", "path"), ASKED)
@pytest.mark.parametrize(("who", "statuses"), [("vera", {403}), ("olga", {403}), ("alice", {200, 302})])
def test_people_are_the_business_of_administrators(signed_in, alice, olga, vera, method, path, who, statuses):
    browser = signed_in(User.objects.get(username=who))
    answer = getattr(browser, method)(path.format(vera=vera.pk), {"role": "viewer", "access": "on"})
    assert answer.status_code in statuses
    if who != "alice":
        refusal = AuditEntry.objects.get()
        assert (refusal.actor, refusal.action, refusal.code) == (who, "people.edit", "not-permitted")


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_who_is_not_signed_in_is_sent_to_the_sign_in(client, vera, method, path):
    assert getattr(client, method)(path.format(vera=vera.pk))["Location"].startswith("/login/?next=")


def test_an_administrator_adds_a_person_who_can_sign_in(signed_in, client, alice):
    assert signed_in(alice).post("/people/", NEW).status_code == 302
    assert client.login(username="bob", password=PASSWORD)
    entry = AuditEntry.objects.get(action="person.add")
    assert (entry.actor, entry.target) == ("alice", "person:bob")
    assert PASSWORD not in entry.text


@pytest.mark.parametrize(
    "change", [{"name": "ALICE"}, {"name": "worker"}, {"role": "owner"}, {"password": "x", "again": "x"}]
)
def test_an_unusable_person_is_not_added(signed_in, alice, change):
    answer = signed_in(alice).post("/people/", {**NEW, **change})
    assert answer.status_code == 200
    assert 'class="error"' in answer.content.decode()
    assert User.objects.count() == 1


def test_a_changed_role_holds_from_the_next_request_and_is_on_record(signed_in, alice, vera):
    admin, browser = signed_in(alice), signed_in(vera)
    admin.post(f"/people/{vera.pk}/role/", {"role": "administrator"})
    assert browser.get("/people/").status_code == 200
    entry = AuditEntry.objects.get(action="person.role")
    assert '"before":{"role":"viewer"}' in entry.text
    assert '"after":{"role":"administrator"}' in entry.text


def test_a_role_that_does_not_exist_is_refused_by_name(signed_in, alice, vera):
    answer = signed_in(alice).post(f"/people/{vera.pk}/role/", {"role": "owner"})
    assert answer.status_code == 400
    assert "There is no role owner" in answer.content.decode()


def test_somebody_switched_off_is_out_at_once_and_can_come_back(signed_in, alice, vera):
    admin, browser = signed_in(alice), signed_in(vera)
    admin.post(f"/people/{vera.pk}/access/", {"access": "off"})
    assert browser.get("/account/").status_code == 302
    admin.post(f"/people/{vera.pk}/access/", {"access": "on"})
    assert browser.login(username="vera", password=PASSWORD)
    assert list(AuditEntry.objects.order_by("seq").values_list("action", flat=True)) == [
        "person.switch-off",
        "person.switch-on",
    ]


@pytest.mark.parametrize(
    "act",
    [
        lambda actor, alice: people.change_role(actor, alice, "operator"),
        lambda actor, alice: people.switch_off(actor, alice),
    ],
)
def test_the_last_administrator_stays(alice, olga, act):
    retired = make_person("retired", Role.ADMINISTRATOR)
    people.switch_off(actor_for(alice), retired)
    with pytest.raises(Conflict, match="alice is the last administrator; make somebody else administrator first"):
        act(actor_for(alice), alice)
    alice.refresh_from_db()
    assert (alice.role, alice.is_active) == (Role.ADMINISTRATOR, True)
    people.change_role(actor_for(alice), olga, "administrator")
    act(actor_for(alice), alice)


def test_the_page_says_why_the_last_administrator_stays(signed_in, alice):
    answer = signed_in(alice).post(f"/people/{alice.pk}/role/", {"role": "viewer"})
    assert answer.status_code == 409
    assert "last administrator" in answer.content.decode()
    page = signed_in(alice).get(f"/people/{alice.pk}/").content.decode()
    assert "The last administrator can be neither switched off nor removed." in page
    assert not any(button in page for button in ("Switch off", "Remove account", "Change role"))


def test_a_stale_copy_of_a_person_cannot_talk_round_the_guard(alice, vera):
    stale = User.objects.get(pk=vera.pk)
    people.change_role(actor_for(alice), vera, "administrator")
    people.switch_off(actor_for(alice), alice)
    with pytest.raises(Conflict):
        people.change_role(actor_for(alice), stale, "operator")


def test_who_decides_about_administrators_takes_the_lock_before_looking(alice, vera):
    """SQLite would serialise them anyway; PostgreSQL would let two administrators remove each other."""
    for act in (people.switch_off, people.switch_on):
        with CaptureQueriesContext(connection) as queries:
            act(actor_for(alice), vera)
        first = next(query["sql"] for query in queries if not query["sql"].startswith("SAVEPOINT"))
        assert first.startswith('UPDATE "accounts_accessversion"')


def test_an_unknown_person_is_not_found(signed_in, alice):
    assert signed_in(alice).get("/people/999/").status_code == 404


def test_who_was_removed_while_another_administrator_looked_at_them_is_not_found(alice, vera):
    actor = actor_for(alice)
    group = groups.add(actor, "class")
    people.remove(actor, User.objects.get(pk=vera.pk))
    groups.remove(actor, Group.objects.get(pk=group.pk))
    before = AuditEntry.objects.count()
    for act in (
        lambda: people.change_role(actor, vera, "operator"),
        lambda: people.switch_off(actor, vera),
        lambda: people.switch_on(actor, vera),
        lambda: people.remove(actor, vera),
        lambda: people.set_password(actor, vera, "another long password"),
        lambda: invitations.renew(actor, vera),
        lambda: rights.give(actor, vera, "viewer", "*"),
        lambda: rights.give(actor, group, "viewer", "*"),
        lambda: groups.rename(actor, group, "course"),
        lambda: groups.set_members(actor, group, [alice]),
        lambda: groups.remove(actor, group),
    ):
        with pytest.raises(NotFound, match=r"Nothing was changed: .* was removed meanwhile"):
            act()
    assert AuditEntry.objects.count() == before


def test_of_two_who_add_the_same_name_at_once_the_second_is_told(alice, vera):
    for act in (
        lambda: people.add_person(actor_for(alice), "Vera", "viewer", PASSWORD),
        lambda: invitations.invite(actor_for(alice), "vera"),
    ):
        with pytest.raises(Conflict, match="choose another name"):
            act()


def test_the_history_of_somebody_deleted_stays(alice, olga):
    people.set_password(actor_for(alice), olga, "another long password")
    olga.delete()
    assert AuditEntry.objects.get().target == "person:olga"


def test_changing_ones_password_keeps_this_session_and_ends_the_others(signed_in, olga):
    here, elsewhere = signed_in(olga), signed_in(olga)
    new = "another long password"
    wrong = here.post("/account/", {"present": "wrong", "password": new, "again": new})
    assert "not your present password" in wrong.content.decode()
    assert here.post("/account/", {"present": PASSWORD, "password": new, "again": new}).status_code == 302
    assert here.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302
    assert AuditEntry.objects.get().action == "person.password"


def test_an_administrator_gives_a_new_password_to_who_lost_theirs(signed_in, client, alice, vera):
    new = {"password": "another long password", "again": "another long password"}
    browser = signed_in(vera)
    assert signed_in(alice).post(f"/people/{vera.pk}/", new).status_code == 302
    assert browser.get("/account/").status_code == 302
    assert client.login(username="vera", password=new["password"])


# ---- manage.py user


def test_the_command_adds_a_person(monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO(PASSWORD + "\n"))
    call_command("user", "operator", "olga", "--password-stdin")
    assert capsys.readouterr().out == "olga is operator.\n"
    olga = User.objects.get()
    assert olga.check_password(PASSWORD)
    entry = AuditEntry.objects.get()
    assert (entry.source, entry.target) == ("cli", "person:olga")


def test_the_command_changes_the_role_of_who_exists(vera):
    call_command("user", "operator", "Vera")
    vera.refresh_from_db()
    assert vera.role == Role.OPERATOR


@pytest.mark.parametrize(("name", "password"), [("olga", "short"), ("portal", PASSWORD), ("a b", PASSWORD)])
def test_the_command_refuses_what_the_page_refuses(monkeypatch, name, password):
    monkeypatch.setattr("sys.stdin", io.StringIO(password + "\n"))
    with pytest.raises(CommandError):
        call_command("user", "viewer", name, "--password-stdin")
    assert not User.objects.exists()


def test_the_command_keeps_the_last_administrator(alice):
    with pytest.raises(CommandError, match="last administrator"):
        call_command("user", "viewer", "alice")


def test_a_role_is_asked_for_by_name():
    with pytest.raises(
        BadRequest, match="viewer, console-operator, operator, flasher, network-engineer, administrator"
    ):
        people.role_of("owner")
