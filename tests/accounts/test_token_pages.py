"""The pages of API tokens: made and shown once, revoked, and those of machines."""

import html
import re

import pytest
from django.test import Client

from accounts.models import ApiToken, User
from operations.models import AuditEntry
from tests.reservations.rig import make_board

pytestmark = pytest.mark.django_db
FORM = {"name": "ci", "scopes": ["read", "power"], "resources": ["demo/slot:3"], "addresses": "10.0.0.0/24"}


@pytest.fixture
def browser(make_person):
    make_board("demo")

    def sign_in(name: str, role: str) -> Client:
        person = User.objects.filter(username=name).first() or make_person(name, role)
        client = Client()
        client.force_login(person)
        return client

    return sign_in


def text(answer) -> str:
    return html.unescape(answer.content.decode())


def test_a_token_is_made_shown_once_listed_and_revoked(browser):
    olga = browser("olga", "operator")
    assert "No token yet" in text(olga.get("/account/tokens/"))
    made = text(olga.post("/account/tokens/", FORM))
    secret = re.search(r'value="(np_[^"]+)"', made)[1]  # type: ignore[index]
    token = ApiToken.objects.get()
    assert (token.scopes, token.resources, token.addresses) == (["power", "read"], ["demo/slot:3"], ["10.0.0.0/24"])
    listed = text(olga.get("/account/tokens/"))
    assert "10.0.0.0/24" in listed
    assert secret not in listed
    assert secret.rpartition("_")[2] not in listed
    assert olga.post(f"/tokens/{token.prefix}/revoke/").status_code == 302
    assert "revoked" in text(olga.get("/account/tokens/"))
    assert Client().get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"}).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": []},
        {"scopes": ["root"]},
        {"resources": ["demo/slot:9"]},
        {"resources": ["*", "demo/slot:3"]},
        {"name": ""},
    ],
)
def test_what_cannot_be_is_said_in_the_form_and_makes_nothing(browser, wrong):
    olga = browser("olga", "operator")
    answer = olga.post("/account/tokens/", {**FORM, **wrong})
    assert answer.status_code == 200
    assert 'class="error"' in text(answer)
    assert not ApiToken.objects.exists()


def test_a_network_that_is_none_is_refused(browser):
    answer = browser("olga", "operator").post("/account/tokens/", {**FORM, "addresses": "the cellar"})
    assert answer.status_code == 400
    assert "write an address or a network" in text(answer)
    assert 'value="the cellar"' in text(answer), "what they wrote is still there"
    assert AuditEntry.objects.get(outcome="refused").code == "bad-address"


def test_only_who_looks_after_people_sees_everybodys_tokens_and_adds_machines(browser):
    olga, alice = browser("olga", "operator"), browser("alice", "administrator")
    olga.post("/account/tokens/", FORM)
    assert olga.get("/people/tokens/").status_code == 403
    assert olga.post("/people/tokens/", {"name": "runner"}).status_code == 403
    assert "olga" in text(alice.get("/people/tokens/"))
    assert alice.post("/people/tokens/", {"name": "runner"}).status_code == 302
    runner = User.objects.get(username="runner")
    assert f'href="/people/{runner.pk}/tokens/"' in alice.get(f"/people/{runner.pk}/").content.decode()
    assert 'value="np_' in text(alice.post(f"/people/{runner.pk}/tokens/", FORM))
    assert "ci" in text(alice.get(f"/people/{runner.pk}/tokens/"))
    olgas = User.objects.get(username="olga")
    assert alice.post(f"/people/{olgas.pk}/tokens/", FORM).status_code == 404, "nobody acts in another person's name"
    token = ApiToken.objects.get(user=olgas)
    assert alice.post(f"/tokens/{token.prefix}/revoke/").status_code == 302
    token.refresh_from_db()
    assert token.revoked_by == "alice"
    assert AuditEntry.objects.filter(action="token.revoke", actor="alice", target="person:olga").exists()


def test_another_persons_token_is_not_there_for_who_may_not_see_it(browser):
    olga, bert = browser("olga", "operator"), browser("bert", "operator")
    olga.post("/account/tokens/", FORM)
    assert bert.post(f"/tokens/{ApiToken.objects.get().prefix}/revoke/").status_code == 404
    assert ApiToken.objects.get().revoked_at is None


def test_a_token_is_made_only_by_who_was_there_lately(browser):
    olga = browser("olga", "operator")
    session = olga.session
    session["confirmed_at"] = 1
    session.save()
    answer = olga.post("/account/tokens/", FORM)
    assert answer.status_code == 302
    assert answer.url.startswith("/account/confirm/")
    assert not ApiToken.objects.exists()
