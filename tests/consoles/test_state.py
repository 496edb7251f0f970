"""What a web process knows of a console beside its bytes when news overtake each other or somebody leaves meanwhile."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from django.conf import settings
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline

from consoles import keyboard, presence, state
from consoles.journal import Keys
from consoles.keyboard import Typist
from consoles.presence import Present
from consoles.state import StateKeeper
from tests.consoles.visit import SOON

SINCE = "2026-11-23T04:00:00+00:00"
_boards = (f"s{number}" for number in itertools.count())


def present(person: str) -> Present:
    return Present(f"socket-{person}", person, None, SINCE)


def typist(person: str) -> Typist:
    return Typist(f"socket-{person}", person, None, SINCE)


class Keeping:
    """A keeper at work on the suite's broker. It looks only when it is told to."""

    def __init__(self, client: Redis) -> None:
        self.client, self.keys = client, Keys(next(_boards), 3)
        self._changed = asyncio.Event()
        self.keeper = StateKeeper(self.keys, client, self._changed.set)
        self.task = asyncio.get_running_loop().create_task(self.keeper.keep())

    async def until(self, question: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON):
            while not question():
                self._changed.clear()
                await self._changed.wait()

    def people(self) -> list[str]:
        return [someone.person for someone in self.keeper.state.present]

    async def written(self) -> list[str]:
        """Who is here, as every other process reads it."""
        rows: dict[bytes, bytes] = await self.client.hgetall(self.keys.present)  # type: ignore[misc]
        return sorted(json.loads(row)["person"] for row in rows.values())

    async def stop(self) -> None:
        self.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self.task


@pytest_asyncio.fixture
async def keeping(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Keeping]:
    monkeypatch.setattr(state, "LOOK_SECONDS", 3600.0)
    async with Redis.from_url(settings.JOURNAL_URL, protocol=2) as client:
        keeping = Keeping(client)
        await keeping.keeper.looked.wait()
        yield keeping
        await keeping.stop()


async def test_an_answer_that_comes_after_the_next_take_over_does_not_stand(keeping: Keeping):
    board, slot = keeping.keys.board, keeping.keys.slot
    for person in ("olga", "alice"):
        await keyboard.take_over(board, slot, typist(person)).on_async(keeping.client)
    keeping.keeper.heed({"typist"})
    await keeping.until(lambda: keeping.keeper.state.typist == typist("alice"))
    keeping.keeper.set_typist(typist("olga"))  # what olga's own request had to tell came late
    await keeping.until(lambda: keeping.keeper.state.typist == typist("alice"))


async def test_whoever_leaves_last_takes_along_who_is_just_being_taken_from_the_list(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
):
    for person in ("olga", "vera"):
        keeping.keeper.come(present(person))
    keeping.keeper.heed({"presence"})
    await keeping.until(lambda: sorted(keeping.people()) == ["olga", "vera"])
    asked = asyncio.Event()

    async def hang(*_: Any) -> None:
        asked.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as broker:
        broker.setattr(presence, "withdraw", hang)
        keeping.keeper.go("socket-olga")
        await asyncio.wait_for(asked.wait(), SOON)
    keeping.keeper.go("socket-vera")
    await keeping.stop()
    await keeping.keeper.say_goodbye()
    assert await keeping.written() == []


async def test_a_keyboard_that_is_being_given_back_is_not_taken_anew(keeping: Keeping, monkeypatch: pytest.MonkeyPatch):
    """The broker has it back, its hint has come, and whoever gave it back has not been told yet."""
    monkeypatch.setattr(presence, "RENEW_SECONDS", 0.0)
    board, slot = keeping.keys.board, keeping.keys.slot
    keeping.keeper.come(present("olga"))
    with keeping.keeper.handing_over():
        await keyboard.take(board, slot, typist("olga")).on_async(keeping.client)
        keeping.keeper.set_typist(typist("olga"))
    await keeping.until(lambda: keeping.people() == ["olga"])

    with keeping.keeper.handing_over():
        assert await keyboard.release(board, slot, "socket-olga").on_async(keeping.client)
        keeping.keeper.heed({"typist"})
        await keeping.until(lambda: keeping.keeper.state.typist is None)
        keeping.keeper.set_typist(None)
    keeping.keeper.heed({"typist"})
    keeping.keeper.looked.clear()
    await asyncio.wait_for(keeping.keeper.looked.wait(), SOON)
    assert await keeping.client.get(keeping.keys.typist) is None


async def test_a_keyboard_that_the_broker_forgot_is_taken_anew(keeping: Keeping):
    board, slot = keeping.keys.board, keeping.keys.slot
    keeping.keeper.come(present("olga"))
    await keyboard.take(board, slot, typist("olga")).on_async(keeping.client)
    keeping.keeper.set_typist(typist("olga"))
    await keeping.until(lambda: keeping.people() == ["olga"])
    await keeping.client.delete(keeping.keys.typist, keeping.keys.present)
    keeping.keeper.broker_is_away()
    keeping.keeper.heed({"typist"})
    await keeping.until(lambda: keeping.keeper.state.port["reach"] != state.NO_BROKER)
    assert Typist.from_json(await keeping.client.get(keeping.keys.typist)) == typist("olga")


async def test_a_look_that_was_under_way_does_not_call_back_a_broker_that_has_gone(
    keeping: Keeping, monkeypatch: pytest.MonkeyPatch
):
    execute, began, answers = Pipeline.execute, asyncio.Queue[None](), asyncio.Semaphore(0)

    async def slowly(pipeline: Pipeline, *rest: Any) -> Any:
        rows = await execute(pipeline, *rest)
        began.put_nowait(None)
        await answers.acquire()
        return rows

    monkeypatch.setattr(Pipeline, "execute", slowly)
    keeping.keeper.heed({"port"})
    await asyncio.wait_for(began.get(), SOON)
    keeping.keeper.broker_is_away()
    answers.release()
    await asyncio.wait_for(began.get(), SOON)  # the next look, whose answer is still to come
    assert keeping.keeper.state.port["reach"] == state.NO_BROKER
    answers.release()
    await keeping.until(lambda: keeping.keeper.state.port["reach"] != state.NO_BROKER)
