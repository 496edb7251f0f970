"""Hints reach open pages after the commit, over the real broker, and losing one costs nothing."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from channels.layers import channel_layers
from django.db import transaction
from django.test import override_settings

from operations import events, lifecycle
from tests.operations.rig import begun, new_operation


async def heard(act: Callable[[], None], seconds: float = 0.2) -> list[dict[str, Any]]:
    """The hints that a page which listens hears of `act`, up to `seconds` after the last one."""
    layer = channel_layers.make_backend("default")
    page = await layer.new_channel()
    await layer.group_add(events.GROUP, page)
    await asyncio.to_thread(act)
    found = []
    try:
        while True:
            async with asyncio.timeout(seconds):
                found.append((await layer.receive(page))["hint"])
    except TimeoutError:
        return found
    finally:
        await layer.group_discard(events.GROUP, page)
        await layer.flush()


def hears(act: Callable[[], None]) -> list[dict[str, Any]]:
    return async_to_sync(heard)(act)


@pytest.mark.django_db(transaction=True)
def test_a_burst_of_changes_to_one_slot_does_not_make_a_page_read_it_as_often():
    hints = hears(lambda: [events.hint("slot", "b1", 3) for _ in range(50)] and None)
    assert 1 <= len(hints) < 10


@pytest.mark.django_db(transaction=True)
def test_a_page_hears_what_was_committed_and_nothing_that_was_rolled_back():
    def act() -> None:
        with transaction.atomic():
            events.hint("slot", "b1", 3)
            events.hint("board", "b1")
        with transaction.atomic():
            events.hint("slot", "b1", 4)
            transaction.set_rollback(True)

    assert hears(act) == [{"topic": "slot", "board": "b1", "slot": 3}, {"topic": "board", "board": "b1"}]


@pytest.mark.django_db(transaction=True)
def test_an_operation_is_hinted_at_with_its_slot_and_its_id():
    operation = begun(new_operation("b1/slot:3"))
    hints = hears(lambda: lifecycle.interrupt(operation, "The worker died."))
    assert hints == [{"topic": "operation", "board": "b1", "slot": 3, "operation": str(operation.pk)}]


@pytest.mark.django_db(transaction=True)
def test_an_act_on_the_switch_is_hinted_at_without_a_slot():
    operation = begun(new_operation("b1/switch"))
    hints = hears(lambda: lifecycle.interrupt(operation, "The worker died."))
    assert [(hint["board"], "slot" in hint) for hint in hints] == [("b1", False)]


@pytest.mark.django_db(transaction=True)
def test_a_hint_neither_waits_for_a_broker_that_is_away_nor_fails(caplog):
    caplog.set_level("INFO", logger="nanoportal.events")
    away = {"BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer", "CONFIG": {"hosts": ["unix:///nowhere"]}}
    with override_settings(CHANNEL_LAYERS={"default": away}):
        began = time.monotonic()
        for _ in range(100):
            events.hint("slot", "b1", 3)
        assert time.monotonic() - began < 0.5
        while " lost: " not in caplog.text:
            assert time.monotonic() - began < 5
            time.sleep(0.01)
    assert hears(lambda: events.hint("slot", "b1", 5)) == [{"topic": "slot", "board": "b1", "slot": 5}]


def test_a_process_that_ends_has_sent_what_it_announced():
    """The thread that sends ends with its process, whatever it still holds."""
    code = "import django; django.setup(); from operations import events; events.hint('images'); events.flush()"
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "nanoportal.settings"}
    words = [sys.executable, "-c", code]
    assert hears(lambda: subprocess.run(words, env=environment, check=True)) == [{"topic": "images", "board": ""}]
