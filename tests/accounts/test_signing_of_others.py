"""What an administrator sees and ends of how somebody else signs in; and nobody else does."""

import pyotp
import pytest
from django.test import Client

from accounts import recent
from accounts.models import Passkey, Session
from accounts.services import second_factor, sessions
from operations.models import AuditEntry
from operations.roles import Actor
from tests.accounts.authenticator import Authenticator
from tests.accounts.conftest import PASSWORD
from tests.accounts.test_passkeys import make

pytestmark = pytest.mark.django_db


@pytest.fixture
def furnished(olga, signed_in):
    """olga with codes, a passkey and a session."""
    secret = second_factor.begin(olga, "NanoPortal").secret
    second_factor.confirm(Actor("olga", "operator"), olga, pyotp.TOTP(secret).now())
    browser = signed_in(olga)
    make(browser, Authenticator(), "stick")
    return olga


def doors(person) -> list[str]:
    (session,) = sessions.sessions_of(person)
    under = f"/people/{person.pk}/sign-in/"
    key = Passkey.objects.get().pk
    return [
        under,
        f"{under}codes-off/",
        f"{under}passkeys/{key}/remove/",
        f"{under}sessions/{session.id}/end/",
        f"{under}sessions/end-all/",
    ]


def test_an_administrator_sees_by_what_somebody_signs_in_and_where(signed_in, alice, furnished):
    page = signed_in(alice).get(f"/people/{furnished.pk}/sign-in/").content.decode()
    for words in ("10 recovery codes left", "stick", "1 session"):
        assert words in page
    assert Session.objects.filter(user=furnished).get().session_key not in page


def test_an_administrator_takes_it_away_and_each_is_on_record(signed_in, alice, furnished):
    browser = signed_in(alice)
    for door in doors(furnished)[1:4]:
        assert browser.post(door)["Location"] == f"/people/{furnished.pk}/sign-in/"
    assert not second_factor.is_on(furnished)
    assert not Passkey.objects.exists()
    assert not Session.objects.filter(user=furnished).exists()
    taken = AuditEntry.objects.filter(actor="alice", target="person:olga").values_list("action", flat=True)
    assert sorted(taken) == ["passkey.remove", "second-factor.off", "session.end"]


def test_all_sessions_of_somebody_end_at_once_but_not_the_one_that_asks(signed_in, alice, furnished):
    browser = signed_in(alice)
    browser.post(f"/people/{furnished.pk}/sign-in/sessions/end-all/")
    assert not Session.objects.filter(user=furnished).exists()
    browser.post(f"/people/{alice.pk}/sign-in/sessions/end-all/")
    assert browser.get("/account/").status_code == 200


def test_nobody_else_does(signed_in, vera, furnished):
    page, *acts = doors(furnished)
    for browser, status in ((signed_in(vera), 403), (signed_in(furnished), 403), (Client(), 302)):
        assert browser.get(page).status_code == status
        assert [browser.post(act).status_code for act in acts] == [status] * 4
    assert second_factor.is_on(furnished)
    assert Passkey.objects.exists()


def test_what_weakens_somebody_s_sign_in_asks_the_administrator_again(signed_in, alice, furnished, monkeypatch):
    browser = signed_in(alice)
    later = recent.time.time() + 660
    monkeypatch.setattr(recent.time, "time", lambda: later)
    for door in doors(furnished)[1:3]:
        assert browser.post(door)["Location"].startswith("/account/confirm/")
    assert second_factor.is_on(furnished)
    assert Passkey.objects.exists()
    browser.post("/account/confirm/", {"password": PASSWORD})
    assert browser.post(doors(furnished)[1])["Location"] == f"/people/{furnished.pk}/sign-in/"


def test_what_does_not_exist_is_not_found(signed_in, alice, olga):
    browser = signed_in(alice)
    assert browser.get("/people/999/sign-in/").status_code == 404
    assert browser.post(f"/people/{olga.pk}/sign-in/passkeys/7/remove/").status_code == 404
    assert browser.post(f"/people/{olga.pk}/sign-in/sessions/0123456789abcdef/end/").status_code == 404
