"""When the flash worker is missed, asked for, and swept up after."""

import os
import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from flashing.services import queueing, restoring
from nanoportal import health, periodic
from operations import lifecycle, worker
from operations.models import Claim, Operation
from tests.flashing import rig


def is_there() -> bool:
    return health._flash_worker()


def test_it_is_missed_when_a_flash_waits_and_nobody_takes_it(image, flasher):
    assert is_there()
    rig.request(image, flasher, 2)
    assert is_there()
    Operation.objects.update(created_at=timezone.now() - timedelta(seconds=31))
    assert not is_there()


def test_it_is_missed_when_it_died_with_a_flash_and_not_while_it_lives(image, flasher, me):
    job = rig.job(rig.request(image, flasher, 2))
    lifecycle.start(str(job.operation_id), worker=me.name, instance=me.instance)
    assert is_there()
    Operation.objects.update(worker="somebody-flash")
    assert not is_there()


def test_a_flash_asks_the_supervisor_for_it_each_time_that_it_is_sent(image, flasher, data_dir):
    os.mkfifo(data_dir / "wishes")
    pipe = os.open(data_dir / "wishes", os.O_RDWR | os.O_NONBLOCK)
    rig.request(image, flasher, 2)
    assert os.read(pipe, 100) == b"flash\n"
    with pytest.raises(BlockingIOError):
        os.read(pipe, 100)
    os.close(pipe)


def test_a_plain_file_in_the_pipes_place_is_left_alone(image, flasher, data_dir):
    (data_dir / "wishes").write_text("mine")
    rig.request(image, flasher, 2)
    assert (data_dir / "wishes").read_text() == "mine"


@pytest.mark.parametrize(
    ("phase", "hands_step", "contents", "power"),
    [
        ("waiting", 0, "untouched", "On"),
        ("preparing", 0, "untouched", "On"),
        ("boot-mode", 1, "untouched", "On"),
        ("boot-mode", 2, "untouched", "Unknown"),
        ("ready", 0, "untouched", "Unknown"),
        ("writing", 0, "unknown", "Unknown"),
        ("verifying", 0, "unknown", "Unknown"),
        ("restoring", 0, "unknown", "Unknown"),
    ],
)
def test_what_a_dead_worker_left_is_named_by_the_phase_it_was_in(
    image, flasher, me, phase, hands_step, contents, power
):
    """Of a slot whose line a flash moves; the sweep is the one that each kind of operation has."""
    type(rig.slot(2)).objects.filter(number=2).update(power_state="On")
    job = rig.job(rig.request(image, flasher, 2))
    lifecycle.start(str(job.operation_id), worker=me.name, instance="of an earlier life")
    row = {"method": "rpiboot", "phase": phase, "hands_step": hands_step, "contents": contents}
    type(job).objects.filter(pk=job.pk).update(**row)
    if power == "Unknown" and not hands_step:  # the press is long over
        type(rig.slot(2)).objects.filter(number=2).update(commanded_at=timezone.now())
    lifecycle.sweep_dead(me.name, me.instance, periodic.settle_interrupted)
    assert rig.ended(job) == ("interrupted", "interrupted")
    slot, job = rig.slot(2), rig.job(job.run)
    assert (slot.power_state, slot.contents) == (power, "" if contents == "untouched" else contents)
    assert (job.phase, job.failed_in) == ("ended", phase)
    assert Claim.objects.count() == 0


def test_a_job_whose_operation_ended_without_a_worker_is_closed(image, flasher):
    job = rig.job(rig.request(image, flasher, 2))
    lifecycle.cancel(job.operation, flasher)
    restoring.close_what_has_ended()
    assert rig.job(job.run).phase == "ended"
    assert queueing.open_runs() == 0


@pytest.fixture
def hardware(data_dir, settings, monkeypatch):
    """The other worker begins its life."""

    def begin() -> None:
        monkeypatch.setattr(worker, "_current", None)
        settings.WORKER_KIND, settings.WORKER_NAME = "hardware", "local"
        interval = sys.getswitchinterval()
        periodic.become_worker()
        sys.setswitchinterval(interval)
        begun.append(worker.current())

    begun: list[worker.Worker] = []
    yield begin
    for one in begun:
        os.close(one._lock)


def left_over(data_dir) -> None:
    (data_dir / "flashing" / "run").mkdir(parents=True)
    (data_dir / "flashing" / "run" / "user-data").write_text("secret")


def test_after_a_power_cut_nothing_of_a_flash_stays_until_the_next_one(image, flasher, data_dir, hardware):
    job = rig.job(rig.request(image, flasher, 2))
    dead = worker.Worker(data_dir, "local-flash")
    lifecycle.start(str(job.operation_id), worker=dead.name, instance=dead.instance)
    os.close(dead._lock)
    left_over(data_dir)
    hardware()
    assert rig.ended(job) == ("interrupted", "interrupted")
    assert Claim.objects.count() == 0
    assert not (data_dir / "flashing").exists()


def test_what_a_flash_worker_that_lives_is_doing_is_left_alone(image, flasher, me, data_dir, hardware):
    job = rig.job(rig.request(image, flasher, 2))
    lifecycle.start(str(job.operation_id), worker=me.name, instance=me.instance)
    left_over(data_dir)
    hardware()
    assert rig.ended(job)[0] == "running"
    assert (data_dir / "flashing" / "run" / "user-data").exists()
