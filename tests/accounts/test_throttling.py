"""Guessing is slow, from one address and from many; whoever belongs here still comes in."""

import contextlib
from datetime import datetime, timedelta
from unittest import mock

import pytest
from django.contrib.auth.hashers import MD5PasswordHasher
from django.core.management import call_command
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import SignInTries, User
from accounts.services import throttling
from accounts.services.throttling import ACCOUNT, ADDRESS, LAST_ADMINISTRATOR, Count, counted, network_of, waits
from operations.models import AuditEntry
from operations.refusals import TooManyTries
from tests.accounts.conftest import PASSWORD, make_person

NOW = datetime.fromisoformat("2026-11-23T14:00:00+00:00")
WRONG = "Name or password is wrong."


@pytest.fixture
def clock(monkeypatch):
    """Time that stands still until the test moves it on."""

    class Clock:
        now = NOW

        def move(self, **by: float) -> None:
            self.now += timedelta(**by)

    standing = Clock()
    monkeypatch.setattr(throttling.timezone, "now", lambda: standing.now)
    return standing


def try_once(name: str, password: str = "wrong", address: str = "10.0.0.7", client: Client | None = None):
    return (client or Client()).post("/login/", {"username": name, "password": password}, REMOTE_ADDR=address)


def strangers_try(name: str, *addresses: str) -> None:
    """Wrong passwords, as far as throttling is concerned: what the page makes of them is tested above."""
    for address in addresses:
        with contextlib.suppress(TooManyTries):
            throttling.take(throttling.keys_for_password(name, address))


MANY_ADDRESSES = [f"10.0.{at}.7" for at in range(12)]


def is_in(answer) -> bool:
    return answer.status_code == 302


# ---- What is counted, without a database -------------------------------------------------------------------------


def after(tries: int, rule: throttling.Rule, apart: timedelta = timedelta(0)) -> Count:
    count = None
    for number in range(tries):
        count = counted(count, rule, NOW + number * apart)
    assert count is not None
    return count


def test_the_first_failures_cost_nothing_and_each_further_one_twice_as_long_up_to_a_bound():
    waited = [waits(after(tries, ACCOUNT), ACCOUNT, NOW) / timedelta(minutes=1) for tries in range(1, 13)]
    assert waited == [0, 0, 0, 0, 0, 1, 2, 4, 8, 15, 15, 15]


def test_an_hour_without_a_failure_begins_anew():
    assert counted(after(12, ACCOUNT), ACCOUNT, NOW + timedelta(minutes=61)).count == 1


@pytest.mark.parametrize("away", [timedelta(days=9000), -timedelta(days=9000)])
def test_a_clock_that_jumps_keeps_nobody_waiting(away):
    count = after(12, ACCOUNT)
    assert waits(count, ACCOUNT, NOW + away) <= timedelta(0)
    assert counted(count, ACCOUNT, NOW + away).count == 1


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 7200), max_size=60))
def test_nobody_ever_waits_longer_than_the_bound(seconds):
    for rule in (ACCOUNT, ADDRESS, LAST_ADMINISTRATOR):
        count, now = None, NOW
        for gap in seconds:
            now += timedelta(seconds=gap)
            count = counted(count, rule, now)
            assert waits(count, rule, now) <= rule.longest_wait


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.7", "10.0.0.7"),
        ("::ffff:10.0.0.7", "10.0.0.7"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_a_customer_s_network_counts_as_one_address(address, network):
    assert network_of(address) == network


# ---- At the door -------------------------------------------------------------------------------------------------

pytestmark = pytest.mark.django_db


def test_after_five_wrong_passwords_the_account_waits_even_for_the_right_one_and_then_does_not(olga, alice, clock):
    for at in range(6):
        assert WRONG in try_once("olga", address=f"10.0.0.{at}").content.decode()
    answer = try_once("olga", PASSWORD, address="10.0.0.99")
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "60"
    assert "Too many tries: this account waits 1 min. Nobody is locked out for good." in answer.content.decode()
    clock.move(seconds=61)
    assert is_in(try_once("olga", PASSWORD, address="10.0.0.99"))


def test_another_spelling_of_a_name_is_no_other_account(olga, alice, clock):
    spellings = ["olga", " olga", "olga\t", "\u2003olga", "\uff4flga", f"{' ' * 70}OLGA"]
    for at, name in enumerate(spellings):
        assert WRONG in try_once(name, address=f"10.0.0.{at}").content.decode()
    assert try_once(" olga ", PASSWORD, address="10.0.0.99").status_code == 429
    assert is_in(try_once(" alice ", PASSWORD)), "a name is looked up without the space around it"


def test_the_page_says_how_many_tries_are_left_before_the_wait(olga, alice, clock):
    said = [try_once("olga", address=f"10.0.0.{at}").content.decode() for at in range(6)]
    assert "more tr" not in said[1]
    assert "After 3 more tries this account waits 1 min." in said[2]
    assert "After 1 more try this account waits 1 min." in said[4]
    assert "This account now waits 1 min." in said[5]


def test_one_address_cannot_go_through_all_names(olga, alice, clock):
    for at in range(11):
        try_once(f"name-{at}")
    assert try_once("olga", PASSWORD).status_code == 429
    assert is_in(try_once("olga", PASSWORD, address="10.0.0.8"))


def test_a_wait_is_not_prolonged_by_knocking(olga, alice, clock):
    for at in range(6):
        try_once("olga", address=f"10.0.0.{at}")
    for _ in range(10):
        assert try_once("olga", PASSWORD).status_code == 429
    clock.move(seconds=61)
    assert is_in(try_once("olga", PASSWORD))


def test_a_name_that_nobody_has_waits_like_any_other(alice, clock):
    answers = [try_once("no-such-name", address=f"10.0.0.{at}") for at in range(7)]
    assert [answer.status_code for answer in answers] == [200] * 6 + [429]


def test_a_right_password_forgets_the_account_s_failures_and_only_its_own_try_of_the_address(olga, alice, clock):
    for _ in range(4):
        try_once("olga")
    for at in range(4):
        try_once(f"name-{at}")
    assert is_in(try_once("olga", PASSWORD))
    said = [try_once(f"other-{at}").content.decode() for at in range(3)]
    assert "After 1 more try this address waits 1 min." in said[1], "eight others' tries were given back with olga's"
    assert "This address now waits 1 min." in said[2]


def test_a_browser_that_has_signed_in_before_is_not_kept_waiting_by_strangers(olga, alice, clock):
    browser = Client()
    assert is_in(try_once("olga", PASSWORD, client=browser))
    browser.post("/logout/")
    strangers_try("olga", *MANY_ADDRESSES)
    strangers_try("somebody", *["10.0.0.7"] * 12)
    assert try_once("olga", PASSWORD).status_code == 429
    assert is_in(try_once("olga", PASSWORD, client=browser))


def test_a_known_browser_has_a_limit_of_its_own_and_is_known_for_its_own_person_only(olga, vera, alice, clock):
    browser = Client()
    try_once("olga", PASSWORD, client=browser)
    browser.post("/logout/")
    strangers_try("vera", *MANY_ADDRESSES[:6])
    assert try_once("vera", PASSWORD, client=browser, address="10.3.0.1").status_code == 429
    answers = [try_once("olga", client=browser, address=f"10.1.0.{at}").status_code for at in range(7)]
    assert answers == [200] * 6 + [429]


@pytest.mark.parametrize("cookie", ["", "x", "WzEsImEiXQ:1:bad", "9" * 5000])
def test_a_forged_cookie_makes_no_browser_known(olga, alice, clock, cookie):
    browser = Client()
    browser.cookies["known_device"] = cookie
    for at in range(6):
        try_once("olga", address=f"10.0.0.{at}")
    assert try_once("olga", PASSWORD, client=browser).status_code == 429


def test_the_last_administrator_cannot_be_locked_out_from_elsewhere(alice, olga, clock):
    strangers_try("alice", *MANY_ADDRESSES)
    assert is_in(try_once("alice", PASSWORD, address="10.9.9.9"))


def test_two_administrators_cannot_both_be_locked_out_from_elsewhere(alice, olga, clock):
    make_person("anna", "administrator")
    for address in MANY_ADDRESSES:
        strangers_try("alice", address)
        strangers_try("Anna", address)
    assert any(is_in(try_once(name, PASSWORD, address="10.9.9.9")) for name in ("alice", "anna"))


def test_the_last_administrators_code_waits_for_nobody_who_does_not_know_their_password(alice, olga, clock):
    for at in range(11):
        strangers_try(f"name-{at}", "10.0.0.7")
    with pytest.raises(TooManyTries, match="this address waits"):
        throttling.take(throttling.keys_for_code(olga, "10.0.0.7"))
    for _ in range(ACCOUNT.free + 1):
        throttling.take(throttling.keys_for_code(alice, "10.0.0.7"))
    with pytest.raises(TooManyTries, match="this account waits"):
        throttling.take(throttling.keys_for_code(alice, "10.0.0.7"))


def test_the_last_administrator_waits_for_no_failures_at_other_accounts_of_the_same_address(alice, olga, clock):
    for at in range(11):
        strangers_try(f"name-{at}", "10.0.0.7")
    assert try_once("olga", PASSWORD).status_code == 429
    assert is_in(try_once("alice", PASSWORD))


def test_the_last_administrator_waits_a_minute_at_most_where_somebody_guesses_beside_them(alice, olga, clock):
    for _ in range(13):
        strangers_try("alice", "10.0.0.7")
        clock.move(seconds=60)
    strangers_try("alice", "10.0.0.7")
    answer = try_once("alice", PASSWORD)
    assert answer.status_code == 429
    assert int(answer.headers["Retry-After"]) <= 60
    clock.move(seconds=61)
    assert is_in(try_once("alice", PASSWORD))


def test_a_right_password_forgets_what_the_last_administrator_mistyped_before(alice, olga, clock):
    for _ in range(2):
        assert [try_once("alice").status_code for _ in range(5)] == [200] * 5
        assert is_in(try_once("alice", PASSWORD))


def test_one_of_two_administrators_waits_like_anybody(alice, olga, clock):
    make_person("anna", "administrator")
    for at in range(6):
        try_once("alice", address=f"10.0.0.{at}")
    assert try_once("alice", PASSWORD, address="10.9.9.9").status_code == 429


def test_a_try_that_waits_looks_at_no_password_and_is_on_record_once(olga, alice, clock):
    for at in range(6):
        try_once("olga", address=f"10.0.0.{at}")
    with mock.patch.object(MD5PasswordHasher, "encode", side_effect=AssertionError("hashed")):
        for _ in range(5):
            assert try_once("olga", PASSWORD).status_code == 429
    assert AuditEntry.objects.filter(code="too-many-tries", actor="olga").count() == 1


def test_tries_keep_no_name_and_old_ones_are_removed(olga, alice, clock):
    try_once("hunter2-in-the-wrong-field")
    assert not [row for row in SignInTries.objects.all() if "hunter2" in row.key]
    clock.move(hours=2)
    try_once("olga")
    assert SignInTries.objects.count() == 2


def test_somebody_with_the_controller_lets_anybody_in(olga, alice, clock):
    strangers_try("olga", *["10.0.0.9"] * 6, *MANY_ADDRESSES[:6])
    assert try_once("olga", PASSWORD, address="10.0.0.9").status_code == 429
    call_command("let_in", "Olga")
    assert is_in(try_once("olga", PASSWORD, address="10.0.0.9"))
    entry = AuditEntry.objects.get(action="sign-in.let-in")
    assert (entry.target, entry.source) == ("person:olga", "cli")


# ---- Hashing -----------------------------------------------------------------------------------------------------


def hashed(act) -> int:
    """How often a password was hashed. `verify` hashes by `encode`, and so does whoever makes one."""
    real = MD5PasswordHasher.encode
    calls: list[object] = []

    def encode(self, password, salt):
        calls.append(salt)
        return real(self, password, salt)

    with mock.patch.object(MD5PasswordHasher, "encode", encode):
        act()
    return len(calls)


@pytest.mark.parametrize("case", ["right", "wrong", "unknown", "switched off", "no password", "last administrator"])
def test_one_password_is_hashed_once_whoever_it_is_for(olga, alice, case):
    if case == "switched off":
        User.objects.filter(username="olga").update(is_active=False)
    if case == "no password":
        olga.set_unusable_password()
        olga.save()
    name = {"unknown": "nobody-here", "last administrator": "alice"}.get(case, "olga")
    assert hashed(lambda: try_once(name, PASSWORD if case == "right" else "wrong")) == 1
