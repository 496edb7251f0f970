"""Passkeys: made and used where browsers allow it, and refused wherever one thing about them is not right."""

import json
from datetime import timedelta

import pytest
import webauthn
from django.test import Client
from django.utils import timezone

from accounts import recent
from accounts.models import Kind, Passkey, Session, User
from accounts.services import passkeys, second_factor
from operations.models import AuditEntry
from operations.roles import Actor
from tests.accounts.authenticator import PRESENT, VERIFIED, Authenticator
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db
HERE = {"host": "localhost"}


def post(browser: Client, path: str, body: object = None, host: str = "localhost"):
    return browser.post(path, json.dumps(body or {}), content_type="application/json", headers={"host": host})


def make(browser: Client, key: Authenticator, name: str = "phone"):
    options = post(browser, "/account/passkeys/options/").json()
    return post(browser, "/account/passkeys/", {"name": name, "credential": key.create(options)})


def use(browser: Client, key: Authenticator, **more: object):
    options = post(browser, "/login/passkey/options/").json()
    return post(browser, "/login/passkey/", {"credential": key.get(options), **more})


def is_in(browser: Client) -> bool:
    return browser.get("/account/").status_code == 200


@pytest.fixture
def key(signed_in, olga) -> Authenticator:
    """A passkey of olga's."""
    made = Authenticator()
    assert make(signed_in(olga), made).status_code == 200
    return made


def test_a_passkey_signs_in_without_a_name_or_a_password(client, key, olga):
    client.get("/login/")
    assert use(client, key, next="/account/").json() == {"next": "/account/"}
    assert is_in(client)
    entry = AuditEntry.objects.get(action="sign-in", outcome="done")
    assert (entry.actor, json.loads(entry.text)["detail"]) == ("olga", {"by": "passkey"})
    assert Passkey.objects.get().last_used_at is not None
    assert client.session.get_expiry_age() > 3600
    assert AuditEntry.objects.get(action="passkey.add").target == "person:olga"


def test_signing_in_gives_the_session_a_new_key(client, key):
    options = post(client, "/login/passkey/options/").json()
    before = client.session.session_key
    post(client, "/login/passkey/", {"credential": key.get(options)})
    assert client.session.session_key != before


@pytest.mark.parametrize("change", [lambda rows: rows.delete(), lambda rows: rows.update(sign_count=99)])
def test_a_passkey_removed_or_used_while_it_is_looked_at_signs_nobody_in(client, key, monkeypatch, change):
    real = webauthn.verify_authentication_response

    def meanwhile(**asked: object) -> object:
        found = real(**asked)
        change(Passkey.objects.all())
        return found

    monkeypatch.setattr(webauthn, "verify_authentication_response", meanwhile)
    assert use(client, key).status_code == 403
    assert not is_in(client)


@pytest.mark.parametrize("elsewhere", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", ["/"]])
def test_it_leads_nowhere_else(client, key, elsewhere):
    assert use(client, key, next=elsewhere).json() == {"next": "/"}


def test_the_private_half_never_came_here_and_only_known_transports_are_kept(key):
    row = Passkey.objects.get()
    assert row.transports == ["usb"]
    assert bytes(row.user_handle) == key.handle
    assert key.key.private_numbers().private_value.to_bytes(32, "big") not in bytes(row.public_key)


# ---- Where ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "is_https", "word"),
    [
        ("localhost", False, ""),
        ("localhost:8000", False, ""),
        ("portal.lan", True, ""),
        ("portal.lan", False, "only over https"),
        ("127.0.0.1:8000", False, "not at the address 127.0.0.1"),
        ("192.168.1.9", True, "not at the address 192.168.1.9"),
        ("[::1]:8000", True, "not at the address [::1]"),
    ],
)
def test_they_are_offered_where_browsers_allow_them_and_the_page_says_why_elsewhere(
    rf, settings, signed_in, olga, host, is_https, word
):
    settings.ALLOWED_HOSTS = ["localhost", "portal.lan", "127.0.0.1", "192.168.1.9", "[::1]"]
    request = rf.get("/", headers={"host": host}, secure=is_https)
    why = passkeys.why_not_here(request)
    assert (word in why) if word else why == ""
    page = signed_in(olga).get("/account/", headers={"host": host}, secure=is_https).content.decode()
    assert ("Make a passkey" in page) == (why == "")
    assert why in page
    login = Client().get("/login/", headers={"host": host}, secure=is_https).content.decode()
    assert ("Use a passkey" in login) == (why == "")
    assert why in login


def test_strangers_who_only_ask_for_a_challenge_do_not_fill_the_table_of_sessions(client):
    post(Client(), "/login/passkey/options/")
    Session.objects.update(expire_date=timezone.now())
    post(client, "/login/passkey/options/")
    assert Session.objects.count() == 1


def test_elsewhere_they_are_refused_too(client, signed_in, olga, settings):
    settings.ALLOWED_HOSTS = ["*"]
    for browser, path in ((client, "/login/passkey/options/"), (signed_in(olga), "/account/passkeys/options/")):
        answer = post(browser, path, host="127.0.0.1")
        assert (answer.status_code, answer.json()["code"]) == (403, "passkeys-not-here")


def test_a_passkey_of_one_name_is_none_at_another(client, key, settings):
    settings.ALLOWED_HOSTS = ["localhost", "portal.lan"]
    elsewhere = Authenticator(origin="https://portal.lan", site="portal.lan", key=key.key, id=key.id, handle=key.handle)
    headers = {"host": "portal.lan"}
    options = client.post("/login/passkey/options/", headers=headers, secure=True).json()
    body = json.dumps({"credential": elsewhere.get(options)})
    answer = client.post(
        "/login/passkey/",
        body,
        content_type="application/json",
        headers={**headers, "referer": "https://portal.lan/"},
        secure=True,
    )
    assert answer.status_code == 403
    assert not client.session.get("_auth_user_id")


# ---- What is not right ------------------------------------------------------------------------------------------


def spoil(key: Authenticator, how: str) -> Authenticator:
    other = Authenticator(key=key.key, id=key.id, handle=key.handle)
    match how:
        case "another page":
            other.origin = "http://localhost.evil.example"
        case "another port":
            other.origin = "http://localhost:8001"
        case "another site":
            other.site = "evil.example"
        case "not verified":
            other.flags = PRESENT
        case "nobody present":
            other.flags = VERIFIED
        case "another key":
            other.key = Authenticator().key
        case "an unknown passkey":
            other.id = b"x" * 32
    return other


WAYS = [
    "another page",
    "another port",
    "another site",
    "not verified",
    "nobody present",
    "another key",
    "an unknown passkey",
]


@pytest.mark.parametrize("how", WAYS)
def test_what_is_not_right_signs_nobody_in_and_all_of_it_in_the_same_words(client, key, how):
    answer = use(client, spoil(key, how))
    assert answer.status_code == 403
    assert answer.json()["message"] == "This passkey does not sign in here; use your name and password."
    assert not is_in(client)
    entry = AuditEntry.objects.get(action="sign-in")
    assert (entry.outcome, entry.code) == ("refused", "unknown-passkey")


@pytest.mark.parametrize("how", WAYS[:5])
def test_what_is_not_right_is_not_kept_either(signed_in, olga, how):
    answer = make(signed_in(olga), spoil(Authenticator(), how))
    assert (answer.status_code, answer.json()["code"]) == (400, "bad-passkey")
    assert not Passkey.objects.exists()


@pytest.mark.parametrize("state", ["off", "machine"])
def test_nobody_signs_in_who_may_not(client, key, state):
    User.objects.update(**{"is_active": False} if state == "off" else {"kind": Kind.MACHINE})
    assert use(client, key).status_code == 403


def test_an_answer_works_once_and_only_in_the_session_that_was_asked(client, key):
    options = post(client, "/login/passkey/options/").json()
    answer = {"credential": key.get(options)}
    stranger = Client()
    assert post(stranger, "/login/passkey/", answer).json()["code"] == "challenge-over"
    post(stranger, "/login/passkey/options/")
    assert post(stranger, "/login/passkey/", answer).status_code == 403
    assert post(client, "/login/passkey/", answer).status_code == 200
    assert post(client, "/account/confirm/passkey/", answer).json()["code"] == "challenge-over"
    client.post("/logout/")
    assert post(client, "/login/passkey/", answer).json()["code"] == "challenge-over"


def test_an_answer_must_come_within_five_minutes(client, key, monkeypatch):
    options = post(client, "/login/passkey/options/").json()
    later = timezone.now() + timedelta(seconds=301)
    monkeypatch.setattr(passkeys.timezone, "now", lambda: later)
    assert post(client, "/login/passkey/", {"credential": key.get(options)}).status_code in (400, 403)
    assert not is_in(client)


def test_what_was_asked_to_make_one_signs_nobody_in(client, key, signed_in, olga):
    browser = signed_in(olga)
    options = post(browser, "/account/passkeys/options/").json()
    answer = post(browser, "/account/confirm/passkey/", {"credential": key.get(options)})
    assert answer.json()["code"] == "challenge-over"


def test_a_copied_key_is_noticed_by_its_counter(client, key):
    key.counter = 5
    assert use(client, key).status_code == 200
    client.post("/logout/")
    key.counter = 3
    assert use(client, key).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        '"x"',
        "{}",
        '{"credential": 7}',
        '{"credential": {"id": 7}}',
        '{"credential": {"id": "é"}}',
        "x" * 70_000,
    ],
)
def test_what_is_no_answer_is_refused_in_words(client, key, body):
    post(client, "/login/passkey/options/")
    answer = client.post("/login/passkey/", body, content_type="application/json", headers=HERE)
    assert answer.status_code in (400, 403)
    assert answer.json()["message"].endswith(".")


@pytest.mark.parametrize("path", ["/login/passkey/options/", "/login/passkey/"])
def test_a_page_from_elsewhere_can_neither_ask_nor_answer(key, path):
    assert Client(enforce_csrf_checks=True).post(path, headers=HERE).status_code == 403


# ---- With the other ways ----------------------------------------------------------------------------------------


@pytest.fixture
def codes_on(olga):
    import pyotp

    secret = second_factor.begin(olga, "NanoPortal").secret
    second_factor.confirm(Actor("olga", "operator"), olga, pyotp.TOTP(secret).now())


def test_after_the_password_a_passkey_stands_in_for_the_code(client, key, codes_on):
    client.post("/login/", {"username": "olga", "password": PASSWORD}, headers=HERE)
    assert "Use a passkey" in client.get("/login/second/", headers=HERE).content.decode()
    options = post(client, "/login/passkey/options/").json()
    assert len(options["allowCredentials"]) == 1
    assert post(client, "/login/passkey/", {"credential": key.get(options)}).status_code == 200
    assert "password and passkey" in AuditEntry.objects.get(action="sign-in", outcome="done").text


def test_after_one_person_s_password_another_s_passkey_opens_nothing(client, key, vera):
    import pyotp

    secret = second_factor.begin(vera, "NanoPortal").secret
    second_factor.confirm(Actor("vera", "viewer"), vera, pyotp.TOTP(secret).now())
    client.post("/login/", {"username": "vera", "password": PASSWORD}, headers=HERE)
    assert use(client, key).status_code == 403
    assert not is_in(client)


def test_a_passkey_alone_is_enough_also_where_codes_are_on(client, key, codes_on):
    assert use(client, key).status_code == 200
    assert is_in(client)


def test_it_confirms_that_it_is_still_the_same_person(client, key, olga, monkeypatch):
    use(client, key)
    now = timezone.now().timestamp() + 660
    monkeypatch.setattr(recent.time, "time", lambda: now)
    assert client.get("/account/codes/", headers=HERE).status_code == 302
    answer = post(client, "/account/passkeys/options/")
    assert (answer.status_code, answer.json()["code"]) == (403, "sign-in-again")
    assert answer.json()["detail"] == {"page": "/account/confirm/?next=/account/"}
    options = post(client, "/account/confirm/passkey/options/").json()
    answer = post(client, "/account/confirm/passkey/", {"credential": key.get(options), "next": "/account/codes/"})
    assert answer.json() == {"next": "/account/codes/"}
    assert client.get("/account/codes/", headers=HERE).status_code == 200


def test_somebody_else_s_passkey_confirms_nothing(signed_in, key, vera, monkeypatch):
    browser = signed_in(vera)
    options = post(browser, "/account/confirm/passkey/options/").json()
    assert post(browser, "/account/confirm/passkey/", {"credential": key.get(options)}).status_code == 403


# ---- Keeping them -----------------------------------------------------------------------------------------------


def test_a_second_one_belongs_to_the_same_handle_and_the_first_is_not_made_again(signed_in, olga, key):
    browser = signed_in(olga)
    options = post(browser, "/account/passkeys/options/").json()
    assert len(options["excludeCredentials"]) == 1
    second = Authenticator()
    post(browser, "/account/passkeys/", {"name": "stick", "credential": second.create(options)})
    assert second.handle == key.handle
    assert make(browser, key).json()["code"] == "passkey-known"


@pytest.mark.parametrize("name", ["", "   ", None, "\x00", "\u202egpj"])
def test_each_has_a_name(signed_in, olga, name):
    browser = signed_in(olga)
    options = post(browser, "/account/passkeys/options/").json()
    answer = post(browser, "/account/passkeys/", {"name": name, "credential": Authenticator().create(options)})
    assert answer.json()["code"] == "no-name"


def test_its_name_is_shown_as_text(signed_in, olga):
    browser = signed_in(olga)
    make(browser, Authenticator(), "<img src=x onerror=alert(1)>")
    assert "<img src=x" not in browser.get("/account/").content.decode()


def test_twenty_are_enough(signed_in, olga, key):
    row = Passkey.objects.get()
    for number in range(19):
        row.pk, row.credential_id = None, bytes([number])
        row.save()
    assert post(signed_in(olga), "/account/passkeys/options/").json()["code"] == "too-many-passkeys"


def test_removed_it_signs_nobody_in_and_nobody_removes_somebody_else_s(client, signed_in, olga, vera, key):
    pk = Passkey.objects.get().pk
    assert signed_in(vera).post(f"/account/passkeys/{pk}/remove/").status_code == 404
    signed_in(olga).post(f"/account/passkeys/{pk}/remove/")
    assert AuditEntry.objects.get(action="passkey.remove").actor == "olga"
    assert use(client, key).status_code == 403
