"""The way to a worker's queue, over the real broker."""

import json
import time
from base64 import b64decode

import pytest
import redis
from django.conf import settings

from nanoportal.broker import CELERY_DATABASE
from operations import dispatch
from tests.operations.rig import new_operation


@pytest.fixture
def queues():
    with redis.Redis.from_url(settings.BROKER.redis, db=CELERY_DATABASE) as client:
        client.flushdb()
        yield client
        client.flushdb()


def test_a_message_with_the_operations_id_lands_in_the_queue_of_its_board(db, queues):
    operation = new_operation("b7/slot:3")
    dispatch.send(operation)
    assert dispatch.queue("b7") == "hardware@b7"
    message = json.loads(queues.lpop("hardware@b7"))
    assert message["headers"]["task"] == "slots.power"
    assert json.loads(b64decode(message["body"]))[0] == [str(operation.pk)]
    assert queues.llen("hardware@b1") == 0


@pytest.mark.parametrize("kind", dispatch.TASKS)
def test_every_kind_of_operation_has_a_task_that_exists(db, queues, kind):
    dispatch.send(new_operation(kind=kind))


def test_a_broker_that_is_away_is_said_within_three_seconds(db, broker_away):
    began = time.monotonic()
    with pytest.raises(dispatch.BrokerAway):
        dispatch.send(new_operation())
    assert time.monotonic() - began < 3


def test_a_broker_that_comes_back_is_found_again(db, queues, broker_away):
    with pytest.raises(dispatch.BrokerAway):
        dispatch.send(new_operation("b7/slot:2"))
    broker_away.back()
    dispatch.send(new_operation("b7/slot:3"))
    assert queues.llen("hardware@b7") == 1
