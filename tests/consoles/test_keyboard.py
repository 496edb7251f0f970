"""One keyboard for each console: taken, kept, taken over, and nothing typed without it."""

import time
from collections.abc import Iterator

import pytest
import redis
from django.conf import settings

from consoles import journal, keyboard
from consoles.keyboard import Typist, read_typed

VERA = Typist("socket-v", "vera", 1, "2026-11-22T18:00:00+00:00")
OLGA = Typist("socket-o", "olga", 2, "2026-11-22T18:01:00+00:00", why="the boot loader waits")


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    with redis.Redis.from_url(settings.JOURNAL_URL) as client:
        client.flushdb()
        yield client


def typed(client: redis.Redis) -> list[keyboard.Typed]:
    entries = client.xrange(journal.keys_stream("b1"))
    return [read_typed(entry, fields, time.monotonic(), time.time()) for entry, fields in entries]


def test_a_free_keyboard_is_taken_and_another_person_is_told_who_has_it(client: redis.Redis) -> None:
    assert keyboard.take("b1", 3, VERA).on(client).granted
    answer = keyboard.take("b1", 3, OLGA).on(client)
    assert not answer.granted
    assert answer.holder == VERA
    assert keyboard.take("b1", 4, OLGA).on(client).granted, "another console's keyboard is another one"


def test_whoever_takes_a_keyboard_over_learns_from_whom_and_the_loser_types_no_more(client: redis.Redis) -> None:
    keyboard.take("b1", 3, VERA).on(client)
    assert keyboard.take_over("b1", 3, OLGA).on(client).holder == VERA
    lost = keyboard.type_keys("b1", 3, VERA.socket, "vera", b"reboot\n").on(client)
    assert not lost.granted
    assert lost.holder == OLGA
    assert keyboard.type_keys("b1", 3, OLGA.socket, "olga", b"\x03").on(client).granted
    note, key = typed(client)
    assert (note.kind, note.data, note.person, note.loser) == ("taken-over", b"the boot loader waits", "olga", VERA)
    assert (key.slot, key.kind, key.data, key.person, key.late) == (3, "data", b"\x03", "olga", False)


def test_taking_over_a_free_keyboard_is_no_loss_that_anybody_has_to_hear_of(client: redis.Redis) -> None:
    assert keyboard.take_over("b1", 3, OLGA).on(client).holder is None
    assert keyboard.take_over("b1", 3, OLGA).on(client).holder == OLGA
    assert typed(client) == []


def test_a_lease_that_is_not_renewed_runs_out_and_cannot_be_renewed_any_more(client: redis.Redis) -> None:
    keyboard.take("b1", 3, VERA, seconds=30).on(client)
    assert keyboard.renew("b1", 3, VERA.socket, seconds=0.02).on(client).granted
    time.sleep(0.05)
    assert keyboard.renew("b1", 3, VERA.socket).on(client) == keyboard.Lease(False, None)
    assert not keyboard.type_keys("b1", 3, VERA.socket, "vera", b"x").on(client).granted
    assert keyboard.take("b1", 3, OLGA).on(client).granted


def test_only_its_holder_gives_a_keyboard_back(client: redis.Redis) -> None:
    keyboard.take("b1", 3, VERA).on(client)
    assert not keyboard.release("b1", 3, OLGA.socket).on(client)
    assert keyboard.release("b1", 3, VERA.socket).on(client)
    assert keyboard.take("b1", 3, OLGA).on(client).granted


def test_every_change_of_the_keyboard_is_news(client: redis.Redis) -> None:
    keyboard.take("b1", 3, VERA).on(client)
    keyboard.take("b1", 3, OLGA).on(client)
    keyboard.take_over("b1", 3, OLGA).on(client)
    keyboard.release("b1", 3, OLGA.socket).on(client)
    assert client.xlen(journal.Keys("b1", 3).news) == 3


def test_a_break_carries_the_character_that_follows_it_and_settings_need_no_keyboard(client: redis.Redis) -> None:
    assert not keyboard.send_break("b1", 3, VERA.socket, "vera", b"s").on(client).granted
    keyboard.take("b1", 3, VERA).on(client)
    assert keyboard.send_break("b1", 3, VERA.socket, "vera", b"s").on(client).granted
    keyboard.configure("b1", 5).on(client)
    assert [(one.slot, one.kind, one.data) for one in typed(client)] == [(3, "break", b"s"), (5, "config", b"")]


async def test_an_asynchronous_client_uses_the_same_calls_also_after_the_broker_forgot_the_scripts(
    client: redis.Redis,
) -> None:
    client.script_flush()
    async with redis.asyncio.Redis.from_url(settings.JOURNAL_URL) as other:
        assert (await keyboard.take("b1", 3, VERA).on_async(other)).granted
        assert (await keyboard.type_keys("b1", 3, VERA.socket, "vera", b"ls\r").on_async(other)).granted
    assert [one.data for one in typed(client)] == [b"ls\r"]


def test_a_key_is_late_after_five_seconds_by_the_clock_that_nobody_sets(client: redis.Redis) -> None:
    keyboard.take("b1", 3, VERA).on(client)
    keyboard.type_keys("b1", 3, VERA.socket, "vera", b"x").on(client)
    ((entry, fields),) = client.xrange(journal.keys_stream("b1"))
    yesterday = time.time() - 86_400
    assert not read_typed(entry, fields, time.monotonic(), yesterday).late
    assert read_typed(entry, fields, time.monotonic() + 5.1, yesterday).late


def test_a_key_from_another_machine_is_judged_by_the_brokers_clock(client: redis.Redis) -> None:
    fields = {b"s": b"3", b"k": b"data", b"d": b"x", b"p": b"vera", b"o": b"s", b"t": b"1.0", b"b": b"elsewhere"}
    assert not read_typed(b"1000000-0", fields, 0.0, 1004.0).late
    assert read_typed(b"1000000-0", fields, 0.0, 1006.0).late


def test_an_entry_that_lacks_a_field_is_named() -> None:
    with pytest.raises(ValueError, match="1-0"):
        read_typed(b"1-0", {b"s": b"3"}, 0.0, 0.0)
