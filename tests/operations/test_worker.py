"""A worker is a name, a lock on it, and what it runs."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hardware.sequencer import StopReason
from operations import lifecycle, worker
from operations.models import OperationState
from operations.worker import NameTaken, Periodic, Worker
from tests.operations.rig import begun, held, new_operation, now_is

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(data_dir, monkeypatch) -> Iterator[Callable[..., Worker]]:
    """Starts workers as a process would; their locks are freed as its end would free them."""
    monkeypatch.setattr(worker, "_current", None)
    made = []

    def start_one(name: str = "local") -> Worker:
        made.append(worker.start(data_dir, name))
        return made[-1]

    yield start_one
    for one in made:
        one.stopping.set()
        die(one)


def die(one: Worker) -> None:
    """As if the process had ended: the kernel frees its lock."""
    if one._lock is not None:
        os.close(one._lock)
        one._lock = None


# The lock decides who lives


def test_a_name_is_one_live_workers(start, data_dir):
    start()
    began = time.monotonic()
    with pytest.raises(NameTaken, match=r"A worker named local is running already on .*; stop it first"):
        start()
    assert time.monotonic() - began > 0.9, "whoever tests the lock for an instant must not turn a start away"


def test_the_name_of_a_dead_worker_is_free_at_once_under_another_instance(start):
    first = start()
    die(first)
    second = start()
    assert second.instance != first.instance


def test_a_lock_that_was_only_being_looked_at_does_not_stop_a_start(start, data_dir):
    start("other")
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            worker.is_alive(data_dir, "local")

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        start("local")
    finally:
        stop.set()
        for looker in lookers:
            looker.join()
    assert worker.is_alive(data_dir, "local")


def test_who_lives_is_told_by_the_locks_alone(start, data_dir):
    assert worker.names_alive(data_dir) == []
    first = start("local")
    start("flash")
    assert sorted(worker.names_alive(data_dir)) == ["flash", "local"]
    assert not worker.is_alive(data_dir, "nobody")
    die(first)
    assert worker.names_alive(data_dir) == ["flash"]


def test_the_kernel_frees_the_name_of_a_process_that_was_killed(start, data_dir):
    code = (
        "import django, os, pathlib; django.setup();"
        "from operations import worker;"
        f"worker.start(pathlib.Path({str(data_dir)!r}), 'local'); print('up', flush=True); os.read(0, 1)"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "nanoportal.settings", "NANOPORTAL_DATA": str(data_dir)}
    other = subprocess.Popen(
        [sys.executable, "-c", code], cwd=PROJECT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout.readline() == b"up\n"
    assert worker.is_alive(data_dir, "local")
    other.kill()
    other.communicate()
    assert not worker.is_alive(data_dir, "local")
    start()


def test_a_process_that_is_no_worker_has_none(monkeypatch):
    monkeypatch.setattr(worker, "_current", None)
    with pytest.raises(RuntimeError, match="not a worker"):
        worker.current()


# What it runs


def test_a_shutdown_reaches_what_runs_and_what_begins_afterwards(start, db):
    me = start()
    running, late = new_operation("b1/slot:2"), new_operation("b1/slot:3")
    stop = me.enter(running)
    me.shutdown()
    assert stop.reason is StopReason.SHUTDOWN
    assert me.enter(late).reason is StopReason.SHUTDOWN


def test_a_cancel_reaches_the_operation_it_is_meant_for_and_no_other(start, db, operator):
    me = start()
    one, other = (begun(new_operation(f"b1/slot:{n}"), instance=me.instance) for n in (2, 3))
    stops = me.enter(one), me.enter(other)
    me.pass_on_cancels()
    assert [stop.reason for stop in stops] == [None, None]
    lifecycle.cancel(one, operator)
    me.pass_on_cancels()
    assert [stop.reason for stop in stops] == [StopReason.CANCEL, None]


def test_an_operation_that_begins_while_cancels_are_looked_up_is_not_cancelled(start, db, monkeypatch):
    me = start()
    me.enter(begun(new_operation("b1/slot:2"), instance=me.instance))
    late = begun(new_operation("b1/slot:3"), instance=me.instance)
    entered, look = [], me.running_ids

    def looked_up():
        ids = look()
        entered.append(me.enter(late))
        return ids

    monkeypatch.setattr(me, "running_ids", looked_up)
    me.pass_on_cancels()
    assert entered[0].reason is None


def test_what_was_ended_from_outside_is_stopped_here_too(start, db):
    me = start()
    operation = begun(new_operation(), instance=me.instance)
    stop = me.enter(operation)
    lifecycle.interrupt(operation, "The board lost power.")
    me.pass_on_cancels()
    assert stop.reason is StopReason.CANCEL


def test_what_has_left_is_no_longer_looked_after(start, db, django_assert_num_queries):
    me = start()
    operation = begun(new_operation(), instance=me.instance)
    me.enter(operation)
    assert me.running_ids() == [str(operation.pk)]
    me.leave(operation)
    with django_assert_num_queries(0):
        me.pass_on_cancels()


def test_an_operation_whose_end_could_not_be_written_down_is_ended_at_the_second_look(start, db):
    me = start()
    lost = begun(new_operation("b1/slot:2"), instance=me.instance)
    alive = begun(new_operation("b1/slot:3"), instance=me.instance)
    elsewhere = begun(new_operation("b1/slot:4"), instance="another")
    me.enter(alive)
    settled = []
    me.sweep_abandoned(settled.append)
    assert now_is(lost).state == OperationState.RUNNING
    me.sweep_abandoned(settled.append)
    assert now_is(lost).state == OperationState.INTERRUPTED
    assert [operation.pk for operation in settled] == [lost.pk]
    assert held() == ["b1/slot:3", "b1/slot:4"]
    assert now_is(elsewhere).state == OperationState.RUNNING


# Periodic work


@pytest.mark.django_db(transaction=True)
def test_a_job_that_fails_is_logged_and_the_others_and_its_next_turn_come_as_usual(start, caplog):
    me = start()
    turns = {"bad": 0, "good": 0}

    def work(name: str) -> None:
        turns[name] += 1
        assert name == "good", "this job fails"

    thread = worker.run_periodic(me, [Periodic(name, 0.01, lambda n=name: work(n)) for name in turns])
    deadline = time.monotonic() + 5
    while min(turns.values()) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    me.shutdown()
    thread.join(2)
    assert not thread.is_alive()
    assert "periodic work bad failed" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_periodic_work_goes_on_until_the_last_operation_has_ended(start):
    me = start()
    operation = new_operation()
    me.enter(operation)
    turns = []
    thread = worker.run_periodic(me, [Periodic("cancels", 0.01, lambda: turns.append(1))])
    me.shutdown()
    seen = len(turns)
    deadline = time.monotonic() + 5
    while len(turns) < seen + 3:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    me.leave(operation)
    thread.join(2)
    assert not thread.is_alive()


def test_the_heartbeat_is_of_its_own_operations_only(start, db):
    me = start()
    mine = begun(new_operation("b1/slot:2"), instance=me.instance)
    other = begun(new_operation("b1/slot:3"), instance="another")
    beats = now_is(mine).heartbeat_at, now_is(other).heartbeat_at
    worker.heartbeat_job(me).work()
    assert now_is(mine).heartbeat_at > beats[0]
    assert now_is(other).heartbeat_at == beats[1]
    assert worker.heartbeat_job(me).seconds < lifecycle.SILENCE.total_seconds() / 3
