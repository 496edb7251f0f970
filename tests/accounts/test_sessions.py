"""Where one is signed in, and ending that; and being asked again before what is grave."""

from datetime import timedelta

import pytest
from django.contrib.sessions.backends.base import UpdateError
from django.test import Client
from django.utils import timezone

from accounts import access, recent
from accounts.models import Session
from accounts.services import sessions
from accounts.session_store import SessionStore
from operations.models import AuditEntry
from operations.roles import Actor
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
PHONE = "Mozilla/5.0 (Linux; Android 15) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile Safari/537.36"
OLGA = Actor("olga", "operator")


def sign_in(name: str = "olga", agent: str = FIREFOX, address: str = "10.0.0.7") -> Client:
    browser = Client(HTTP_USER_AGENT=agent, REMOTE_ADDR=address)
    assert browser.post("/login/", {"username": name, "password": PASSWORD}).status_code == 302
    return browser


def is_in(browser: Client) -> bool:
    return browser.get("/account/").status_code == 200


def test_a_session_says_whose_it_is_from_where_by_what_and_since_when(olga):
    browser = sign_in()
    (session,) = sessions.sessions_of(olga, browser.session.session_key)
    assert (session.name, session.address, session.means) == ("olga", "10.0.0.7", "password")
    assert (session.browser, session.is_this) == ("Firefox on Linux", True)
    assert session.began_at is not None
    assert abs(timezone.now() - session.began_at) < timedelta(minutes=1)
    assert browser.session.session_key not in repr(session)


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (FIREFOX, "Firefox on Linux"),
        (PHONE, "Chromium on Android"),
        (f"{PHONE} Edg/156.0", "Edge on Android"),
        ("curl/8.5.0", "curl"),
        ("", "not said"),
        ("<script>alert(1)</script>\x00\u202e", "<script>alert(1)</script>??"),
    ],
)
def test_a_browser_is_told_in_words(agent, words):
    assert sessions.browser_of(agent) == words


def test_a_strange_user_agent_is_shown_as_text(olga):
    page = sign_in(agent='"><script>alert(1)</script>').get("/account/").content.decode()
    assert "<script>alert" not in page


def test_one_s_own_page_lists_them_and_ends_one(olga, vera):
    here, there = sign_in(), sign_in(agent=PHONE, address="10.0.0.9")
    sign_in("vera")
    page = here.get("/account/").content.decode()
    assert "Firefox on Linux" in page
    assert "Chromium on Android" in page
    assert "2 sessions" in page
    other = next(row for row in sessions.sessions_of(olga, here.session.session_key) if not row.is_this)
    before = access.current_version()
    here.post(f"/account/sessions/{other.id}/end/")
    assert (is_in(here), is_in(there)) == (True, False)
    assert access.current_version() > before, "open sockets are asked again"
    entry = AuditEntry.objects.get(action="session.end")
    assert (entry.actor, entry.target) == ("olga", "person:olga")
    assert "the session was ended" in there.get("/login/").content.decode()


def test_nobody_ends_somebody_else_s_session_by_its_name(olga, vera):
    theirs = sign_in("vera")
    (session,) = sessions.sessions_of(vera)
    assert sign_in().post(f"/account/sessions/{session.id}/end/").status_code == 404
    assert is_in(theirs)


def test_all_others_end_at_once_and_this_one_stays(olga):
    here, *others = sign_in(), sign_in(), sign_in()
    here.post("/account/sessions/end-others/")
    assert is_in(here)
    assert not any(is_in(browser) for browser in others)
    assert sessions.end_all(OLGA, olga) == 1
    assert not is_in(here)


def test_a_new_password_ends_the_others_and_keeps_this_one_with_its_beginning(olga):
    here, there = sign_in(), sign_in()
    new = "another of my long passwords"
    here.post("/account/", {"present": PASSWORD, "password": new, "again": new})
    assert (is_in(here), is_in(there)) == (True, False)
    mine = next(row for row in sessions.sessions_of(olga, here.session.session_key) if row.is_this)
    assert (mine.browser, mine.means) == ("Firefox on Linux", "password")


def test_two_requests_of_one_session_at_once_do_not_undo_one_another(olga):
    began = SessionStore()
    began.update({"board": "b1", "challenge": "at stake", "counted": 1})
    began.create()
    one, other = SessionStore(began.session_key), SessionStore(began.session_key)
    assert (one["board"], other["board"]) == ("b1", "b1")  # both have read it
    one["confirmed_at"], one["counted"] = 5, 2
    del one["challenge"]
    one.save()
    other["board"] = "b2"
    other.save()
    assert dict(SessionStore(began.session_key).items()) == {"board": "b2", "confirmed_at": 5, "counted": 2}
    del other["confirmed_at"]
    other.save()
    assert "confirmed_at" not in SessionStore(began.session_key)


def test_a_session_lasts_twelve_hours_from_the_sign_in_whatever_is_done_in_it(olga):
    session = sign_in().session
    began = timezone.now() - timedelta(hours=11)
    session["began"] = {**session["began"], "at": began.isoformat()}
    session["board"] = "b1"
    session.save()
    assert Session.objects.get().expire_date == began + timedelta(hours=12)


def test_a_session_that_was_ended_is_not_brought_back_by_a_request_under_way(olga):
    under_way = SessionStore(sign_in().session.session_key)
    under_way["board"] = "b1"
    sessions.end_all(OLGA, olga)
    with pytest.raises(UpdateError):
        under_way.save()
    assert not Session.objects.exists()


def test_a_session_is_seen_once_a_minute_and_not_with_every_request(olga, django_assert_num_queries):
    browser = sign_in()
    long_ago = timezone.now() - timedelta(minutes=5)
    Session.objects.update(seen_at=long_ago)
    browser.get("/account/")
    seen = Session.objects.get().seen_at
    assert seen > long_ago
    browser.get("/account/")
    assert Session.objects.get().seen_at == seen


def test_sessions_that_ran_out_are_not_listed_and_removed_at_the_next_sign_in(olga):
    sign_in()
    Session.objects.update(expire_date=timezone.now() - timedelta(seconds=1))
    assert sessions.sessions_of(olga) == []
    sign_in()
    assert Session.objects.count() == 1


def test_a_session_of_nobody_is_no_one_s_and_its_end_changes_no_right(client, olga):
    client.post("/login/passkey/options/", headers={"host": "localhost"})
    row = Session.objects.get()
    assert row.user_id is None
    assert row.expire_date < timezone.now() + timedelta(minutes=6)
    before = access.current_version()
    row.delete()
    assert access.current_version() == before
    assert sessions.all_sessions() == []


def test_sessions_go_with_their_person(olga):
    browser = sign_in()
    olga.delete()
    assert Session.objects.count() == 0
    assert not is_in(browser)


# ---- Is it still you? --------------------------------------------------------------------------------------------


@pytest.fixture
def later(monkeypatch):
    """Let minutes pass for who signed in before."""
    now = [timezone.now().timestamp()]
    monkeypatch.setattr(recent.time, "time", lambda: now[0])

    def pass_by(minutes: float) -> None:
        now[0] += minutes * 60

    return pass_by


def test_something_grave_needs_no_confirmation_soon_after_signing_in_and_one_later(olga, later):
    browser = sign_in()
    assert browser.get("/account/codes/").status_code == 200
    later(11)
    assert browser.get("/account/codes/")["Location"] == "/account/confirm/?next=%2Faccount%2Fcodes%2F"


def test_the_right_password_leads_back_and_holds_for_ten_minutes(olga, later):
    browser = sign_in()
    later(11)
    answer = browser.post("/account/confirm/", {"password": PASSWORD, "next": "/account/codes/"})
    assert answer["Location"] == "/account/codes/"
    later(9)
    assert browser.get("/account/codes/").status_code == 200
    later(2)
    assert browser.get("/account/codes/").status_code == 302


def test_a_wrong_password_confirms_nothing_is_on_record_and_cannot_be_tried_for_ever(olga, later):
    browser = sign_in()
    later(11)
    answers = [browser.post("/account/confirm/", {"password": "wrong"}) for _ in range(7)]
    assert "This is not your password." in answers[0].content.decode()
    assert [answer.status_code for answer in answers] == [200] * 6 + [429]
    assert browser.get("/account/codes/").status_code == 302
    assert AuditEntry.objects.filter(action="account.confirm", code="wrong-password", actor="olga").count() == 1


def test_the_present_password_cannot_be_guessed_in_a_stolen_session(olga):
    browser = sign_in()
    new = {"password": "another of my long passwords", "again": "another of my long passwords"}
    answers = [browser.post("/account/", {"present": "wrong", **new}).status_code for _ in range(7)]
    assert answers == [200] * 6 + [429]
    assert browser.post("/account/", {"present": PASSWORD, **new}).status_code == 429


def test_a_form_that_comes_too_late_does_nothing_and_says_so(olga, later):
    browser = sign_in()
    later(11)
    answer = browser.post("/account/codes/off/", headers={"referer": "http://testserver/account/?x=1"})
    assert answer["Location"] == "/account/confirm/?next=%2Faccount%2F%3Fx%3D1"
    assert "Nothing was done yet" in browser.get(answer["Location"]).content.decode()
    assert AuditEntry.objects.filter(code="sign-in-again").count() == 1


@pytest.mark.parametrize("referer", ["https://evil.example/account/", "//evil.example", "", "javascript:alert(1)"])
def test_a_page_from_elsewhere_is_not_gone_back_to(olga, later, referer):
    browser = sign_in()
    later(11)
    answer = browser.post("/account/codes/off/", headers={"referer": referer})
    assert answer["Location"] == "/account/confirm/?next=%2F"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/"])
def test_confirming_leads_nowhere_else(olga, elsewhere):
    assert sign_in().post("/account/confirm/", {"password": PASSWORD, "next": elsewhere})["Location"] == "/"


def test_a_part_of_a_page_sends_the_whole_page_to_the_confirmation(olga, later):
    browser = sign_in()
    later(11)
    answer = browser.post(
        "/account/codes/off/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/account/"}
    )
    assert (answer.status_code, answer["HX-Redirect"]) == (204, "/account/confirm/?next=%2Faccount%2F")


def test_a_clock_set_back_asks_again(olga, later):
    browser = sign_in()
    later(-60)
    assert browser.get("/account/codes/").status_code == 302


def test_a_token_confirms_nothing(rf, olga):
    request = rf.get("/")
    request.actor = Actor("ci", "administrator", credential="token")
    with pytest.raises(recent.NotPermitted, match="A token cannot do this"):
        recent.require_recent(request)
    with pytest.raises(recent.NotPermitted, match="A token cannot do this"):
        recent.require_recent(request, token_scope="people")
