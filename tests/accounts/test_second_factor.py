"""Codes after the password, on clocks that differ; recovery codes; and how they are lost and found."""

from datetime import datetime, timedelta

import pyotp
import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts import access
from accounts.models import CodeApp, RecoveryCode, User
from accounts.services import second_factor, signing
from operations.models import AuditEntry
from operations.refusals import BadRequest, Conflict
from operations.roles import Actor
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db
NOW = datetime.fromisoformat("2026-11-23T14:02:15+00:00")
OLGA = Actor("olga", "operator")


def code_of(secret: str, at: datetime) -> str:
    return pyotp.TOTP(secret).at(at)


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = NOW

    standing = Clock()
    for module in (second_factor, signing):
        monkeypatch.setattr(module.timezone, "now", lambda: standing.now)
    return standing


@pytest.fixture
def enrolled(olga, clock) -> tuple[User, str, list[str]]:
    """olga with codes on: the secret, and her recovery codes."""
    secret = second_factor.begin(olga, "NanoPortal").secret
    codes = second_factor.confirm(OLGA, olga, code_of(secret, NOW), NOW)
    CodeApp.objects.update(last_step=0)
    return olga, secret, codes


# ---- Setting up --------------------------------------------------------------------------------------------------


def test_codes_are_off_until_the_app_has_shown_that_it_makes_them(olga, clock):
    secret = second_factor.begin(olga, "NanoPortal").secret
    assert not second_factor.is_on(olga)
    with pytest.raises(BadRequest, match="not the code"):
        second_factor.confirm(OLGA, olga, "000000", NOW)
    assert second_factor.begin(olga, "NanoPortal").secret == secret, "a reloaded page shows the same picture"
    assert len(second_factor.confirm(OLGA, olga, code_of(secret, NOW), NOW)) == 10
    assert second_factor.is_on(olga)
    assert AuditEntry.objects.get().action == "second-factor.on"
    with pytest.raises(Conflict, match="on already"):
        second_factor.begin(olga, "NanoPortal")


@pytest.mark.parametrize(("minutes", "said"), [(7, "7 min ahead of"), (-400, "400 min behind")])
def test_while_setting_up_a_wrong_clock_is_named_with_how_wrong_it_is(olga, clock, minutes, said):
    secret = second_factor.begin(olga, "NanoPortal").secret
    with pytest.raises(BadRequest, match=said) as refusal:
        second_factor.confirm(OLGA, olga, code_of(secret, NOW + timedelta(minutes=minutes)), NOW)
    assert "14:02:15 UTC" in refusal.value.message
    assert not second_factor.is_on(olga)


def test_what_the_app_reads_names_portal_and_person_and_its_secret_lies_sealed(olga, clock):
    enrolment = second_factor.begin(olga, "NanoPortal demo.lan:8000")
    parsed = pyotp.parse_uri(enrolment.uri)
    assert (parsed.name, parsed.issuer, parsed.secret) == ("olga", "NanoPortal demo.lan:8000", enrolment.secret)
    assert enrolment.secret not in CodeApp.objects.get().sealed


def test_a_secret_that_nobody_confirmed_within_an_hour_is_not_shown_again(olga, clock):
    first = second_factor.begin(olga, "NanoPortal").secret
    clock.now += timedelta(minutes=59)
    assert second_factor.begin(olga, "NanoPortal").secret == first
    clock.now += timedelta(minutes=2)
    assert second_factor.begin(olga, "NanoPortal").secret != first
    with pytest.raises(BadRequest):
        second_factor.confirm(OLGA, olga, code_of(first, clock.now))


def test_neither_secret_nor_recovery_codes_stand_in_the_database_or_the_audit_log(enrolled):
    _, secret, codes = enrolled
    kept = [*CodeApp.objects.values_list(), *RecoveryCode.objects.values_list(), *AuditEntry.objects.values_list()]
    text = repr(kept)
    for word in (secret, *codes, *(code.replace("-", "") for code in codes)):
        assert word not in text


def test_turning_codes_on_or_off_has_open_connections_ask_again(olga, clock):
    before = access.current_version()
    secret = second_factor.begin(olga, "NanoPortal").secret
    second_factor.confirm(OLGA, olga, code_of(secret, NOW), NOW)
    between = access.current_version()
    second_factor.turn_off(OLGA, olga)
    assert before < between < access.current_version()


# ---- Codes and clocks --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skew", [-44, -30, -1, 0, 1, 14, 30, 44])
def test_a_device_whose_clock_differs_by_less_than_half_a_minute_gets_in(enrolled, skew):
    olga, secret, _ = enrolled
    assert second_factor.accept_code(olga, code_of(secret, NOW + timedelta(seconds=skew)), NOW)


@pytest.mark.parametrize("skew", [-3600, -120, -61, 61, 120, 3600])
def test_one_whose_clock_differs_by_more_than_a_minute_does_not(enrolled, skew):
    olga, secret, _ = enrolled
    assert not second_factor.accept_code(olga, code_of(secret, NOW + timedelta(seconds=skew)), NOW)


def test_no_code_is_accepted_twice_nor_an_older_one_after_it(enrolled):
    olga, secret, _ = enrolled
    code = code_of(secret, NOW)
    assert second_factor.accept_code(olga, f" {code[:3]} {code[3:]} ", NOW)
    assert not second_factor.accept_code(olga, code, NOW)
    assert not second_factor.accept_code(olga, code_of(secret, NOW - timedelta(seconds=30)), NOW)
    assert second_factor.accept_code(olga, code_of(secret, NOW + timedelta(seconds=30)), NOW)


def test_a_code_used_while_the_portal_s_clock_was_years_ahead_does_not_lock_out_until_then(enrolled):
    olga, secret, _ = enrolled
    future = NOW + timedelta(days=4000)
    assert second_factor.accept_code(olga, code_of(secret, future), future)
    assert second_factor.accept_code(olga, code_of(secret, NOW), NOW)


@pytest.mark.parametrize(
    "text", ["", "12345", "1234567", "abcdef", "\uff11\uff12\uff13\uff14\uff15\uff16", "12345\x00", "9" * 5000]
)
def test_what_is_no_code_is_none(enrolled, text):
    olga, _, _ = enrolled
    assert not second_factor.accept_code(olga, text, NOW)
    assert not second_factor.accept_recovery_code(olga, text)


def test_a_secret_sealed_with_another_key_accepts_nothing_and_can_be_set_up_anew(enrolled, settings):
    olga, secret, _ = enrolled
    settings.SECRET_KEY = "of another portal"
    assert not second_factor.accept_code(olga, code_of(secret, NOW), NOW)
    second_factor.turn_off(OLGA, olga)
    assert second_factor.begin(olga, "NanoPortal").secret != secret


# ---- At the door -------------------------------------------------------------------------------------------------


def password_step(client: Client, next_page: str = "/account/"):
    return client.post("/login/", {"username": "olga", "password": PASSWORD, "next": next_page})


def send(client: Client, code: str, next_page: str = "/account/"):
    return client.post("/login/second/", {"code": code, "next": next_page})


def test_the_password_alone_opens_nothing(client, enrolled):
    assert password_step(client)["Location"] == "/login/second/?next=%2Faccount%2F"
    assert client.get("/account/")["Location"].startswith("/login/")
    assert client.get("/api/v1/boards").status_code == 401
    assert not AuditEntry.objects.filter(action="sign-in", outcome="done")


def test_password_and_code_sign_in_under_a_new_session_key_and_lead_on(client, enrolled):
    _, secret, _ = enrolled
    password_step(client)
    before = client.session.session_key
    assert send(client, code_of(secret, NOW))["Location"] == "/account/"
    assert client.session.session_key != before
    assert "password and code" in AuditEntry.objects.get(action="sign-in", outcome="done").text
    assert client.session.get_expiry_age() > 3600, "not the five minutes of the step between"


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "/\\evil.example/"])
def test_the_second_step_leads_nowhere_else_either(client, enrolled, elsewhere):
    _, secret, _ = enrolled
    assert "evil" not in client.get("/login/second/", {"next": elsewhere}).headers.get("Location", "")
    password_step(client)
    assert send(client, code_of(secret, NOW), elsewhere)["Location"] == "/"


def test_a_wrong_code_is_answered_with_the_portal_s_time_and_is_on_record(client, enrolled):
    password_step(client)
    answer = send(client, "000000")
    assert "the portal&#x27;s clock says 14:02:15 UTC" in answer.content.decode()
    entry = AuditEntry.objects.get(outcome="refused")
    assert (entry.actor, entry.action, entry.code) == ("olga", "sign-in", "wrong-code")
    assert "000000" not in entry.text


def test_codes_cannot_be_guessed_but_a_recovery_code_always_gets_in(client, enrolled):
    _, secret, codes = enrolled
    password_step(client)
    answers = [send(client, "000000").status_code for _ in range(7)]
    assert answers == [200] * 6 + [429]
    assert send(client, code_of(secret, NOW)).status_code == 429
    assert send(client, codes[0].upper())["Location"] == "/account/"
    page = client.get("/account/").content.decode()
    assert "9 are left" in page
    assert '<div class="toast" data-state="warn">' in page, "no success"


def test_a_recovery_code_works_once(client, enrolled):
    olga, _, codes = enrolled
    assert second_factor.accept_recovery_code(olga, codes[3].replace("-", " "))
    assert not second_factor.accept_recovery_code(olga, codes[3])
    assert second_factor.codes_left(olga) == 9


def test_one_person_s_recovery_code_is_nobody_else_s(enrolled, vera):
    _, _, codes = enrolled
    secret = second_factor.begin(vera, "NanoPortal").secret
    second_factor.confirm(OLGA, vera, code_of(secret, NOW), NOW)
    assert not second_factor.accept_recovery_code(vera, codes[0])


def test_the_code_must_follow_within_five_minutes(client, enrolled, clock):
    _, secret, _ = enrolled
    password_step(client)
    clock.now += timedelta(seconds=301)
    assert send(client, code_of(secret, clock.now))["Location"] == "/login/?next=%2Faccount%2F"
    assert "Type name and password again" in client.get("/login/").content.decode()


@pytest.mark.parametrize("change", ["password", "switched off"])
def test_what_happens_to_the_account_in_between_counts(client, enrolled, change):
    olga, secret, _ = enrolled
    password_step(client)
    if change == "password":
        olga.set_password("quite another long password")
    else:
        olga.is_active = False
    olga.save()
    assert send(client, code_of(secret, NOW))["Location"].startswith("/login/")
    assert "_auth_user_id" not in client.session


def test_the_second_step_without_the_first_is_the_first(client, enrolled):
    _, secret, _ = enrolled
    assert send(client, code_of(secret, NOW))["Location"].startswith("/login/")
    assert "_auth_user_id" not in client.session


# ---- On one's own page -------------------------------------------------------------------------------------------


def test_on_one_s_own_page_codes_are_turned_on_shown_and_turned_off(signed_in, olga, clock):
    browser = signed_in(olga)
    page = browser.get("/account/codes/").content.decode()
    assert 'src="data:image/svg+xml' in page
    secret = second_factor.begin(olga, "NanoPortal").secret
    assert secret in page
    assert "not the code that the app shows" in browser.post("/account/codes/", {"code": "000000"}).content.decode()
    page = browser.post("/account/codes/", {"code": code_of(secret, NOW)}).content.decode()
    assert page.count("<li><code>") == 10
    assert browser.get("/account/codes/")["Location"] == "/account/"
    again = browser.post("/account/codes/recovery/").content.decode()
    assert again.count("<li><code>") == 10
    assert again != page
    browser.post("/account/codes/off/")
    assert not second_factor.is_on(olga)
    assert not RecoveryCode.objects.exists()
    assert browser.post("/account/codes/recovery/").status_code == 409


def test_whoever_has_the_controller_can_turn_codes_off(client, enrolled):
    call_command("let_in", "olga", "--without-codes")
    assert password_step(client)["Location"] == "/account/"
    entry = AuditEntry.objects.get(action="second-factor.off")
    assert (entry.target, entry.source) == ("person:olga", "cli")
    with pytest.raises(CommandError, match="nobody called"):
        call_command("let_in", "nobody-here")
