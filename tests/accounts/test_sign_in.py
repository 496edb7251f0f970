"""Coming in, being sent away, going out."""

import json
import time

import pytest
from django.test import Client

from accounts.models import Kind, User
from accounts.views.signing import SIGNED_IN_COOKIE
from operations.models import AuditEntry
from tests.accounts.conftest import PASSWORD

pytestmark = pytest.mark.django_db

WRONG = "Name or password is wrong."


def sign_in(client: Client, name: str = "olga", password: str = PASSWORD, **more):
    return client.post("/login/", {"username": name, "password": password, **more}, REMOTE_ADDR="10.0.0.7")


def test_signing_in_is_on_record_and_leads_where_one_wanted_to_go(client, olga):
    answer = sign_in(client, next="/boards/demo/slots/3/")
    assert answer["Location"] == "/boards/demo/slots/3/"
    entry = AuditEntry.objects.get()
    assert (entry.actor, entry.action, entry.outcome, entry.address) == ("olga", "sign-in", "done", "10.0.0.7")
    assert json.loads(entry.text)["role"] == "operator"


@pytest.mark.parametrize(
    "elsewhere",
    [
        "https://evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "http:///evil.example",
        "javascript:alert(1)",
        "\thttps://evil.example/",
    ],
)
def test_next_never_leads_out_of_the_portal(client, olga, elsewhere):
    assert sign_in(client, next=elsewhere)["Location"] == "/"


def test_a_session_gets_a_new_key_when_somebody_signs_in(client, olga):
    client.session["before"] = True
    client.session.save()
    client.get("/login/")
    before = client.session.session_key
    sign_in(client)
    assert client.session.session_key != before


@pytest.mark.parametrize("case", ["wrong password", "unknown name", "switched off"])
def test_every_failed_sign_in_gets_the_same_sentence(client, olga, case):
    if case == "switched off":
        User.objects.update(is_active=False)
    name = "nobody-here" if case == "unknown name" else "olga"
    answer = sign_in(client, name, "wrong" if case == "wrong password" else PASSWORD)
    assert WRONG in answer.content.decode()
    assert "_auth_user_id" not in client.session
    entry = AuditEntry.objects.get()
    assert (entry.outcome, entry.code) == ("refused", case.replace(" ", "-"))


def test_a_machine_never_signs_in_even_if_somebody_gave_it_a_password(client, olga):
    User.objects.update(kind=Kind.MACHINE)
    assert WRONG in sign_in(client).content.decode()
    assert "_auth_user_id" not in client.session


def test_a_name_that_nobody_has_is_not_written_down(client):
    sign_in(client, name="hunter2-typed-in-the-wrong-field")
    assert "hunter2" not in AuditEntry.objects.get().text


def test_many_failures_make_one_entry_and_a_count(client, olga):
    for _ in range(20):
        sign_in(client, password="wrong")
    assert sorted(AuditEntry.objects.values_list("code", flat=True)) == ["too-many-tries", "wrong-password"]


def test_a_sign_in_form_from_elsewhere_is_refused(olga):
    stranger = Client(enforce_csrf_checks=True)
    answer = sign_in(stranger)
    assert answer.status_code == 403
    assert "out of date" in answer.content.decode()


def test_somebody_who_is_signed_in_does_not_see_the_sign_in(signed_in, olga):
    assert signed_in(olga).get("/login/")["Location"] == "/"


def test_signing_out_needs_a_post_ends_the_session_and_is_on_record(signed_in, olga):
    browser = signed_in(olga)
    assert browser.get("/logout/").status_code == 405
    assert browser.post("/logout/")["Location"] == "/login/"
    assert "_auth_user_id" not in browser.session
    assert AuditEntry.objects.get().action == "sign-out"
    browser.post("/logout/")
    assert AuditEntry.objects.count() == 1


def test_a_session_that_ran_out_is_named_with_its_length(client, settings):
    client.cookies[SIGNED_IN_COOKIE] = str(int(time.time()) - settings.SESSION_COOKIE_AGE)
    assert "You were signed out after 12 h; sign in again." in client.get("/login/").content.decode()


def test_a_session_that_was_ended_early_is_told_why(client, olga):
    sign_in(client)
    olga.refresh_from_db()
    olga.set_password("another long password")
    olga.save()
    assert client.get("/account/")["Location"] == "/login/?next=/account/"
    assert "your password or account changed, or the session was ended" in client.get("/login/").content.decode()


@pytest.mark.parametrize("cookie", ["", "soon", "-1", "9" * 40])
def test_a_strange_cookie_says_nothing(client, cookie):
    client.cookies[SIGNED_IN_COOKIE] = cookie
    answer = client.get("/login/")
    assert answer.status_code == 200
    assert "signed out" not in answer.content.decode()


def test_who_signed_out_themselves_is_not_told_that_they_were(client, olga):
    sign_in(client)
    client.post("/logout/")
    assert "signed out" not in client.get("/login/").content.decode()


def test_a_panel_whose_session_ended_sends_the_whole_page_to_the_sign_in(client):
    answer = client.get(
        "/login/?next=/panel/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/boards/demo/?x=1"}
    )
    assert answer.status_code == 204
    assert answer["HX-Redirect"] == "/login/?next=%2Fboards%2Fdemo%2F"


def test_no_field_of_the_sign_in_comes_filled(client):
    page = client.get("/login/").content.decode()
    assert 'value=""' in page  # next
    assert page.count(" value=") == 2  # the form's token and next
