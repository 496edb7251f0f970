"""API tokens: made once, used within limits, ended; and the machines that have nothing else."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.actors import actor_for, actor_now
from accounts.models import ApiToken, Kind, User
from accounts.services import rights, tokens
from accounts.services.tokens import Wish
from operations import roles
from operations.models import AuditEntry
from operations.refusals import BadRequest, Conflict, NotPermitted, TokenRefused
from operations.roles import Actor
from tests.reservations.rig import make_board

pytestmark = pytest.mark.django_db
SLOTS = "/api/v1/boards/demo/slots"


@pytest.fixture
def board(db: None) -> None:
    """The demo board's rows, with nothing behind them."""
    make_board("demo")


@pytest.fixture
def olga(make_person) -> User:
    return make_person("olga", "operator")


@pytest.fixture
def alice(make_person) -> User:
    return make_person("alice", "administrator")


def made(owner: User, *scopes: str, actor: Actor | None = None, **more: object) -> tuple[ApiToken, str]:
    return tokens.make(actor or actor_for(owner), owner, Wish("ci", scopes or ("read",), **more))  # type: ignore[arg-type]


def get(text: str, path: str = "/api/v1/me", **more: str):
    return Client().get(path, headers={"Authorization": f"Bearer {text}"}, **more)


def test_only_a_digest_of_a_token_is_kept_and_it_is_shown_once(olga):
    token, text = made(olga)
    secret = text.rpartition(f"np_{token.prefix}_")[2]
    assert len(secret) == 43
    kept = json.dumps(list(ApiToken.objects.values()), default=str) + AuditEntry.objects.get().text
    assert secret not in kept
    assert token.prefix in kept


def test_a_token_acts_for_its_owner_and_says_so_on_record(olga):
    token, text = made(olga, "read", "power")
    answer = get(text)
    assert answer.json()["name"] == "olga"
    assert (answer.json()["credential"], answer.json()["token"]) == ("token", f"{token.prefix} ci")
    token.refresh_from_db()
    assert token.used_from == "127.0.0.1"
    assert timezone.now() - token.used_at < timedelta(seconds=30)


@pytest.mark.parametrize(
    ("scopes", "action", "allowed"),
    [
        (("read",), "view", True),
        (("read",), "power", False),
        (("power",), "power", True),
        (("power",), "console.write", False),
        (("power", "console"), "console.write", True),
        (("flash",), "flash", False),  # its owner may not either
        (("metrics",), "view", False),
    ],
)
def test_a_token_does_what_both_its_scopes_and_its_owner_may(olga, scopes, action, allowed):
    _, text = made(olga, *scopes)
    assert bool(roles.may(tokens.enter(text, ""), action, "demo/slot:3")) is allowed


def test_a_token_for_one_slot_reaches_no_other(olga, board):
    _, text = made(olga, "read", "power", resources=("demo/slot:3",))
    actor = tokens.enter(text, "")
    assert roles.may(actor, "power", "demo/slot:3")
    decision = roles.may(actor, "power", "demo/slot:4")
    assert not decision
    assert "This token is for slot 3" in decision.reason
    assert get(text, f"{SLOTS}/3").status_code == 200
    assert get(text, f"{SLOTS}/4").status_code == 404


def wrong(text: str) -> str:
    return text[:-1] + ("A" if text[-1] != "A" else "B")


def test_a_wrong_a_revoked_an_expired_and_a_strangers_token_are_refused_each_with_its_reason(olga, alice):
    token, text = made(olga, expires_at=timezone.now() + timedelta(hours=1))
    words = {
        wrong(
            text
        ): f"There is no token {token.prefix} with that secret; copy it whole, from np_ on, or make a new one.",
        text.replace(
            token.prefix, "zzzzzzzz"
        ): "There is no token zzzzzzzz with that secret; copy it whole, from np_ on",
        "np_": "There is no such token; copy it whole, from np_ on, or make a new one.",
        "x" * 5000: "There is no such token; copy it whole, from np_ on, or make a new one.",
    }
    for other, said in words.items():
        answer = get(other)
        assert (answer.status_code, answer.json()["code"]) == (401, "token-refused")
        assert answer.json()["message"].startswith(said)
    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "expired" in get(text).json()["message"]
    ApiToken.objects.update(expires_at=None)
    assert get(text).status_code == 200
    olga.is_active = False
    olga.save()
    assert "olga, who is switched off" in get(text).json()["message"]
    olga.is_active = True
    olga.save()
    tokens.revoke(actor_for(alice), token)
    assert "was revoked by alice" in get(text).json()["message"]
    refused = AuditEntry.objects.filter(action="token.use", outcome="refused")
    assert {entry.code for entry in refused} == {"token-refused"}


def test_a_bad_token_is_refused_even_beside_a_good_session(olga):
    client = Client()
    client.force_login(olga)
    assert client.get("/api/v1/me").status_code == 200
    assert client.get("/api/v1/me", headers={"Authorization": "Bearer np_no"}).status_code == 401


@pytest.mark.parametrize(
    ("addresses", "address", "allowed"),
    [
        (("10.0.0.0/24",), "10.0.0.7", True),
        (("10.0.0.0/24",), "::ffff:10.0.0.7", True),
        (("10.0.0.0/24",), "10.0.1.7", False),
        (("10.0.0.0/24",), "", False),
        (("fe80::/10",), "fe80::1%eth0", True),
        (("10.0.0.9/24", "192.0.2.1"), "192.0.2.1", True),
    ],
)
def test_a_token_that_is_bound_to_addresses_is_good_from_those_alone(olga, addresses, address, allowed):
    _, text = made(olga, addresses=addresses)
    if allowed:
        assert tokens.enter(text, address).name == "olga"
    else:
        with pytest.raises(TokenRefused, match="may not be used from"):
            tokens.enter(text, address)


def test_what_was_asked_for_by_a_token_ends_with_it(olga):
    """As a worker asks at an operation's turn, which knows the token by its prefix alone."""
    token, text = made(olga, "power")
    asked = Actor("olga", user_id=olga.pk, source="api", credential="token", token=str(token))
    assert roles.may(actor_now(asked), "power", "demo/slot:3")
    assert not roles.may(actor_now(asked), "console.write", "demo/slot:3")
    tokens.revoke(actor_for(olga), token)
    refused = roles.may(actor_now(asked), "power", "demo/slot:3")
    assert (bool(refused), refused.reason) == (
        False,
        f"The token {token.prefix} was revoked by olga; make a new one.",
    )
    olga.delete()
    refused = roles.may(actor_now(asked), "power", "demo/slot:3")
    assert (bool(refused), refused.reason) == (False, f"The token {token.prefix} is none any more.")
    with pytest.raises(TokenRefused):
        tokens.enter(text, "")


def test_nobody_makes_tokens_in_another_persons_name_and_tokens_make_none(olga, alice):
    with pytest.raises(NotPermitted, match="nobody acts in another person's name"):
        made(olga, actor=actor_for(alice))
    with pytest.raises(NotPermitted, match="Changing people"):
        made(alice, actor=actor_for(olga))
    _, text = made(olga, "read", "power")
    with pytest.raises(NotPermitted, match="A token makes no tokens or machines"):
        made(olga, actor=tokens.enter(text, ""))
    _, people = made(alice, "people")
    with pytest.raises(NotPermitted, match="A token makes no tokens or machines"):
        tokens.add_machine(tokens.enter(people, ""), "runner")
    answer = Client().post(
        "/api/v1/tokens",
        {"name": "more", "scopes": ["power"]},
        content_type="application/json",
        headers={"Authorization": f"Bearer {text}"},
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "person-needed")


@pytest.mark.parametrize(
    "wish",
    [
        Wish("", ("read",)),
        Wish("x" * 61, ("read",)),
        Wish("ci", ()),
        Wish("ci", ("everything",)),
        Wish("ci", ("read",), ()),
        Wish("ci", ("read",), ("demo/slot:9",)),
        Wish("ci", ("read",), addresses=("the cellar",)),
        Wish("ci", ("read",), expires_at=timezone.now() - timedelta(days=1)),
        Wish("ci", ("read",), expires_at=timezone.now() + timedelta(days=9999)),
    ],
)
def test_a_token_that_makes_no_sense_is_refused_in_one_sentence(olga, board, wish):
    with pytest.raises(BadRequest):
        tokens.make(actor_for(olga), olga, wish)
    assert not ApiToken.objects.exists()


def test_nobody_gathers_tokens_without_end(olga, monkeypatch):
    monkeypatch.setattr(tokens, "MANY", 2)
    first, _ = made(olga)
    made(olga)
    with pytest.raises(Conflict, match="has 2 tokens"):
        made(olga)
    tokens.revoke(actor_for(olga), first)
    made(olga)


def test_a_machine_has_no_password_and_acts_by_tokens_alone(olga, alice, board):
    with pytest.raises(NotPermitted):
        tokens.add_machine(actor_for(olga), "runner")
    runner = tokens.add_machine(actor_for(alice), "runner")
    assert (runner.kind, runner.has_usable_password()) == (Kind.MACHINE, False)
    rights.give(actor_for(alice), runner, "operator", "demo/slot:3")
    _, text = made(runner, "power", actor=actor_for(alice))
    assert roles.may(tokens.enter(text, ""), "power", "demo/slot:3")
    assert not roles.may(tokens.enter(text, ""), "power", "demo/slot:2")
    with pytest.raises(BadRequest, match="already"):
        tokens.add_machine(actor_for(alice), "Runner")


def test_deleting_somebody_ends_their_tokens(olga):
    token, text = made(olga)
    olga.delete()
    with pytest.raises(TokenRefused, match=f"^There is no token {token.prefix} with that secret; copy it whole"):
        tokens.enter(text, "")
    assert get(text).status_code == 401
    refused = AuditEntry.objects.get(action="token.use", outcome="refused")
    made_then = AuditEntry.objects.get(action="token.create", target="person:olga")
    assert token.prefix in refused.text
    assert token.prefix in made_then.text, "so the log says whose it was"


def test_tokens_are_listed_to_their_owner_and_revoked_over_rest(olga, alice, make_person):
    token, text = made(olga)
    other = Client()
    other.force_login(make_person("bert", "operator"))
    assert other.get("/api/v1/tokens").json() == {"count": 0, "tokens": []}
    assert other.delete(f"/api/v1/tokens/{token.prefix}").status_code == 404
    assert other.get("/api/v1/tokens?everybody=true").status_code == 403
    mine = Client()
    mine.force_login(olga)
    (shown,) = mine.get("/api/v1/tokens").json()["tokens"]
    assert (shown["prefix"], shown["owner"], "token" in shown) == (token.prefix, "olga", False)
    for _ in range(2):  # once more changes nothing
        assert mine.delete(f"/api/v1/tokens/{token.prefix}").status_code == 204
    assert AuditEntry.objects.get(action="token.revoke", outcome="done").target == "person:olga"
    assert get(text).status_code == 401


def test_a_token_ends_itself_and_none_of_its_owners_others(olga):
    other, other_text = made(olga)
    token, text = made(olga, "power")

    def end(prefix: str) -> int:
        return Client().delete(f"/api/v1/tokens/{prefix}", headers={"Authorization": f"Bearer {text}"}).status_code

    assert end(other.prefix) == 403
    assert get(other_text).status_code == 200
    assert end(token.prefix) == 204
    assert get(text).status_code == 401
