"""The pages of people and rights: what an administrator does there, what others get, and one's own rights."""

import html
import re
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from accounts import places
from accounts.actors import actor_for
from accounts.models import Invitation, RightGrant, User
from accounts.services import groups, invitations, rights
from operations.models import AuditEntry
from operations.roles import PORTAL
from tests.accounts.conftest import PASSWORD, make_person
from tests.accounts.test_rights import DEMO

NEW_PASSWORD = "a kestrel in slot seven"


@pytest.fixture(autouse=True)
def one_board(monkeypatch):
    monkeypatch.setattr(places, "_look_up", [lambda slug: [DEMO] if slug in ("", "demo") else []])


@pytest.fixture
def carol(db) -> User:
    return make_person("carol", "")


def text(answer) -> str:
    said = re.sub(r"<[^>]+>", " ", answer.content.decode())
    return " ".join(html.unescape(said).split())


def test_the_matrix_reads_aloud_what_each_may(signed_in, alice, carol):
    rights.give(PORTAL, carol, "operator", "demo/slot:3")
    page = signed_in(alice).get("/people/").content.decode()
    assert 'aria-label="carol, slot 3: see, power and type on console"' in page
    assert 'aria-label="carol, slot 4: nothing"' in page
    assert 'aria-label="alice, slot 1: see, power, type on console and flash"' in page


@pytest.mark.parametrize(
    ("act", "where", "answer"),
    [
        ("flash", "demo/slot:3", "Flashing slot 3 needs the role flasher there; carol is operator on slots 3 and 5."),
        ("console.write", "demo/slot:4", "Typing on the console of slot 4 needs the role console operator there;"),
        ("power", "demo/slot:3", "Switching slot 3 is allowed: carol is operator on slots 3 and 5 of demo."),
        ("switch.commit", "demo", "Applying VLANs needs the role network engineer there;"),
    ],
)
def test_the_page_answers_why_carol_can_or_cannot(signed_in, alice, carol, act, where, answer):
    for number in (3, 5):
        rights.give(PORTAL, carol, "operator", f"demo/slot:{number}")
    page = text(signed_in(alice).get("/people/", {"who": "carol", "act": act, "where": where}))
    assert answer in page


def test_a_right_is_given_for_a_day_and_taken_away_on_the_page(signed_in, alice, carol):
    browser = signed_in(alice)
    end = timezone.now() + timedelta(days=1)
    fields = {"role": "flasher", "scope": "demo/slot:3", "until": end.isoformat(), "console": "read"}
    answer = browser.post(f"/people/{carol.pk}/rights/", fields, follow=True)
    assert "flasher on slot 3 of demo, consoles: watch, until" in text(answer)
    row = RightGrant.objects.get()
    assert abs(row.until - end) < timedelta(seconds=1)
    answer = browser.post(f"/people/rights/{row.pk}/take/", follow=True)
    assert "carol is no longer flasher" in text(answer)
    assert not RightGrant.objects.exists()
    assert browser.post(f"/people/rights/{row.pk}/take/").status_code == 404


@pytest.mark.parametrize(
    "change", [{"role": "owner"}, {"scope": "demo/slot:9"}, {"until": "yesterday"}, {"until": "2020-01-01T00:00:00Z"}]
)
def test_what_is_filled_in_wrongly_gives_nothing(signed_in, alice, carol, change):
    fields = {"role": "flasher", "scope": "demo", "until": "", "console": "", **change}
    assert signed_in(alice).post(f"/people/{carol.pk}/rights/", fields).status_code == 400
    assert not RightGrant.objects.exists()


def test_an_end_that_was_chosen_stays_in_a_form_that_comes_back(signed_in, alice):
    end = "2026-12-24T18:00:00.000Z"
    fields = {"invite-name": "alice", "invite-role": "operator", "invite-scope": "demo/slot:3", "invite-until": end}
    page = signed_in(alice).post("/people/new/", fields).content.decode()
    assert "Somebody has this name already" in page
    assert f'name="invite-until" id="i-until" value="{end}"' in page, "else the next try gives the right for good"


def test_a_group_that_there_is_already_is_said_beside_its_name(signed_in, alice):
    Group.objects.create(name="class-b")
    answer = signed_in(alice).post("/people/groups/", {"name": "class-b"})
    assert (answer.status_code, Group.objects.count()) == (400, 1)
    assert 'value="class-b"' in answer.content.decode()
    assert "There is a group class-b already" in text(answer)
    assert AuditEntry.objects.get(outcome="refused").code == "group-exists"


def test_the_page_speaks_of_the_board_that_it_shows(signed_in, alice, carol):
    carol.grants.create(role="operator", scope="shelf/slot:3", given_by="alice", given_at=timezone.now())
    page = text(signed_in(alice).get("/people/", {"board": "demo"}))
    assert "carol no role more on other boards" in page


def test_somebody_is_invited_chooses_a_password_and_is_in(signed_in, alice):
    fields = {"invite-name": "ivan", "invite-role": "operator", "invite-scope": "demo/slot:3", "invite-until": ""}
    page = signed_in(alice).post("/people/new/", fields)
    link = re.search(r'value="http://testserver(/join/[^"]+)"', page.content.decode())[1]
    assert "no-store" in page["Cache-Control"]
    stranger = Client()
    assert "for ivan, by an invitation of alice" in text(stranger.get(link))
    short = stranger.post(link, {"password": "short", "again": "short"})
    assert (short.status_code, User.objects.get(username="ivan").has_usable_password()) == (200, False)
    done = stranger.post(link, {"password": NEW_PASSWORD, "again": NEW_PASSWORD})
    assert (done.status_code, done["Location"]) == (302, "/")
    assert stranger.get("/account/rights/").status_code == 200
    again = Client().post(link, {"password": "another long password", "again": "another long password"})
    assert (again.status_code, "used already" in text(again)) == (404, True)
    assert Client().login(username="ivan", password=NEW_PASSWORD)
    refused = AuditEntry.objects.get(action="person.join", outcome="refused")
    assert (refused.actor, refused.source) == ("anonymous", "setup")


def test_a_link_is_for_whom_it_was_made_and_signs_in_nobody_with_a_second_factor_past_it(signed_in, alice, olga):
    page = signed_in(alice).post(f"/people/{olga.pk}/link/").content.decode()
    link = re.search(r'value="http://testserver(/join/[^"]+)"', page)[1]
    assert Invitation.objects.get().user == olga
    assert Client().login(username="olga", password=PASSWORD), "until it is used"
    Client().post(link, {"password": NEW_PASSWORD, "again": NEW_PASSWORD})
    assert not Client().login(username="olga", password=PASSWORD)


def test_a_late_link_says_so_and_shows_no_form(alice, olga, client):
    secret = invitations.renew(PORTAL, olga)
    Invitation.objects.update(expires_at=timezone.now())
    answer = client.get(f"/join/{secret}/")
    assert (answer.status_code, "has expired" in text(answer), b"<form" in answer.content) == (409, True, False)


def test_a_group_is_made_filled_given_a_right_and_removed(signed_in, alice, carol):
    browser = signed_in(alice)
    page = browser.post("/people/groups/", {"name": "class-b"})["Location"]
    browser.post(page, {"name": "class-b", "members": [carol.pk]})
    browser.post(f"{page}rights/", {"role": "operator", "scope": "demo/slot:3", "until": "", "console": ""})
    assert "operator on slot 3 of demo" in text(browser.get("/people/groups/"))
    assert "to class-b" in text(browser.get(f"/people/{carol.pk}/"))
    assert "in class-b" in text(browser.get("/people/"))
    taken = browser.post(page, {"name": "", "members": []})
    assert taken.status_code == 400
    browser.post(f"{page}remove/")
    assert not Group.objects.exists()
    assert browser.get(page).status_code == 404


def test_the_group_of_the_last_administrator_says_why_it_stays(signed_in, alice, carol):
    group = Group.objects.create(name="admins")
    rights.give(PORTAL, group, "administrator", "*")
    group.user_set.add(carol)
    browser = signed_in(carol)
    User.objects.filter(pk=alice.pk).update(role="viewer")
    answer = browser.post(f"/people/groups/{group.pk}/", {"name": "admins", "members": []})
    assert (answer.status_code, "is the last administrator" in text(answer)) == (400, True)
    assert group.user_set.count() == 1


def test_an_account_is_removed_by_typing_its_name(signed_in, alice, vera):
    browser = signed_in(alice)
    assert "Nothing was removed" in text(browser.post(f"/people/{vera.pk}/remove/", {"typed": "Vera"}, follow=True))
    browser.post(f"/people/{vera.pk}/remove/", {"typed": "vera"})
    assert not User.objects.filter(username="vera").exists()


GRAVE = {
    "an administrator by role": ("/people/{pk}/role/", {"role": "administrator"}),
    "an administrator by a right": ("/people/{pk}/rights/", {"role": "administrator", "scope": "demo"}),
    "a link": ("/people/{pk}/link/", {}),
    "a password": ("/people/{pk}/", {"password": NEW_PASSWORD, "again": NEW_PASSWORD}),
    "an account's end": ("/people/{pk}/remove/", {"typed": "vera"}),
    "an invitation": ("/people/new/", {"invite-name": "i", "invite-role": "viewer", "invite-scope": "*"}),
}


@pytest.mark.parametrize("what", GRAVE)
def test_what_is_grave_asks_again_who_it_is(signed_in, alice, vera, what):
    browser = signed_in(alice)
    session = browser.session
    session["confirmed_at"] = 0
    session.save()
    path, fields = GRAVE[what]
    answer = browser.post(path.format(pk=vera.pk), fields)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/account/confirm/")
    vera.refresh_from_db()
    assert (vera.role, vera.grants.count(), vera.check_password(PASSWORD)) == ("viewer", 0, True)
    assert not Invitation.objects.exists()


@pytest.mark.parametrize("access", ["on", "off"])
def test_switching_an_administrator_off_or_on_asks_again_and_anybody_else_does_not(signed_in, alice, carol, access):
    group = groups.add(actor_for(alice), "admins")
    rights.give(actor_for(alice), group, "administrator", "*")
    groups.set_members(actor_for(alice), group, [carol])
    User.objects.filter(pk=carol.pk).update(is_active=access == "off")
    browser = signed_in(alice)
    session = browser.session
    session["confirmed_at"] = 0
    session.save()
    path = f"/people/{carol.pk}/access/"
    assert browser.post(path, {"access": access})["Location"].startswith("/account/confirm/")
    carol.refresh_from_db()
    assert carol.is_active == (access == "off")
    groups.remove(actor_for(alice), group)
    assert browser.post(path, {"access": access})["Location"] == "/people/"


DOORS = [
    *("/people/", "/people/new/", "/people/groups/", "/people/groups/{group}/", "/people/{vera}/"),
    *("/people/{vera}/rights/", "/people/{vera}/link/", "/people/{vera}/remove/", "/people/groups/{group}/rights/"),
    *("/people/groups/{group}/remove/", "/people/rights/{right}/take/"),
]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("role", ["viewer", "network-engineer", "flasher"])
def test_nobody_but_an_administrator_changes_rights_and_the_try_is_on_record(signed_in, vera, carol, door, role):
    group = Group.objects.create(name="class-b")
    right = rights.give(PORTAL, carol, "viewer", "demo")
    before = AuditEntry.objects.count()
    User.objects.filter(pk=vera.pk).update(role=role)
    path = door.format(vera=vera.pk, group=group.pk, right=right.pk)
    assert signed_in(vera).post(path, {"role": "administrator", "scope": "*", "name": "x"}).status_code == 403
    entry = AuditEntry.objects.first()
    assert AuditEntry.objects.count() == before + 1
    assert (entry.actor, entry.outcome, entry.code) == ("vera", "refused", "not-permitted")


def test_a_board_administrator_gives_no_rights_either(signed_in, carol):
    rights.give(PORTAL, carol, "administrator", "demo")
    assert signed_in(carol).post(f"/people/{carol.pk}/rights/", {"role": "viewer", "scope": "*"}).status_code == 403


def test_one_sees_ones_own_rights_and_nobody_elses(signed_in, alice, carol):
    rights.give(PORTAL, carol, "operator", "demo/slot:3")
    page = signed_in(carol).get("/account/rights/")
    assert 'aria-label="you, slot 3: see, power and type on console"' in page.content.decode()
    assert "Operator on slot 3 of demo" in text(page)
    assert "alice" not in text(page)
    assert "Take away" not in text(page)
    nobody = signed_in(make_person("nemo", "")).get("/account/rights/")
    assert "No board yet" in text(nobody)


@pytest.mark.parametrize("path", ["/people/new/", "/people/{pk}/", "/account/tokens/"])
def test_who_will_be_asked_again_is_told_before_a_form_is_filled_in(signed_in, alice, carol, path):
    browser, path = signed_in(alice), path.format(pk=carol.pk)
    again = f'href="/account/confirm/?next={path}"'
    assert again not in browser.get(path).content.decode()
    session = browser.session
    session["confirmed_at"] = 0
    session.save()
    assert again in browser.get(path).content.decode()
