"""The connection on which keystrokes leave and journals come."""

import asyncio

import pytest
from redis.exceptions import ConnectionError, NoScriptError, ResponseError

from consoles.wire import Wire


async def test_answers_come_in_the_order_of_the_questions(private_broker):
    wire = await Wire.connect(private_broker.url, 2.0)
    answers = [wire.ask("RPUSH", "list", number) for number in range(50)]
    assert [await answer for answer in answers] == list(range(1, 51))
    assert await wire.ask("LRANGE", "list", 0, 1) == [b"0", b"1"]
    assert await wire.ask("GET", "nothing") is None
    wire.close()


async def test_a_refusal_of_the_broker_is_raised_where_it_was_asked(private_broker):
    wire = await Wire.connect(private_broker.url, 2.0)
    with pytest.raises(ResponseError):
        await wire.ask("XADD")
    with pytest.raises(NoScriptError):
        await wire.evalsha("0" * 40, 0)
    assert await wire.eval("return 7", 0) == 7
    wire.close()


async def test_an_answer_that_nobody_waits_for_any_more_is_not_given_to_the_next(private_broker):
    wire = await Wire.connect(private_broker.url, 2.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await wire.ask("BLPOP", "empty", 0.1)
    assert await wire.ask("PING") == b"PONG"
    wire.close()


async def test_a_broker_that_goes_fails_what_was_asked_and_what_is_asked_after(private_broker):
    wire = await Wire.connect(private_broker.url, 2.0)
    waiting = wire.ask("BLPOP", "empty", 0)
    private_broker.kill()
    with pytest.raises(ConnectionError):
        await waiting
    assert not wire.is_open
    with pytest.raises(ConnectionError):
        wire.ask("PING")
    with pytest.raises(ConnectionRefusedError):
        await Wire.connect(private_broker.url, 2.0)
