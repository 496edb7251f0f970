"""When the flash worker is missed, asked for, and swept up after."""

import os
from datetime import timedelta

import pytest
from django.utils import timezone

from flashing.services import queueing, restoring
from nanoportal import health, periodic
from operations import lifecycle
from operations.models import Claim, Operation
from tests.flashing import rig


def is_there() -> bool:
    return health._flash_worker()


def test_it_is_missed_when_a_flash_waits_and_nobody_takes_it(image, operator):
    assert is_there()
    rig.request(image, operator, 2)
    assert is_there()
    Operation.objects.update(created_at=timezone.now() - timedelta(seconds=31))
    assert not is_there()


def test_it_is_missed_when_it_died_with_a_flash_and_not_while_it_lives(image, operator, me):
    job = rig.job(rig.request(image, operator, 2))
    lifecycle.start(str(job.operation_id), worker=me.name, instance=me.instance)
    assert is_there()
    Operation.objects.update(worker="somebody-flash")
    assert not is_there()


def test_a_flash_asks_the_supervisor_for_it_each_time_that_it_is_sent(image, operator, data_dir):
    os.mkfifo(data_dir / "wishes")
    pipe = os.open(data_dir / "wishes", os.O_RDWR | os.O_NONBLOCK)
    rig.request(image, operator, 2)
    assert os.read(pipe, 100) == b"flash\n"
    with pytest.raises(BlockingIOError):
        os.read(pipe, 100)
    os.close(pipe)


def test_a_plain_file_in_the_pipes_place_is_left_alone(image, operator, data_dir):
    (data_dir / "wishes").write_text("mine")
    rig.request(image, operator, 2)
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
    image, operator, me, phase, hands_step, contents, power
):
    """Of a slot whose line a flash moves; the sweep is the one that each kind of operation has."""
    type(rig.slot(2)).objects.filter(number=2).update(power_state="On")
    job = rig.job(rig.request(image, operator, 2))
    lifecycle.start(str(job.operation_id), worker=me.name, instance="of an earlier life")
    row = {"method": "rpiboot", "phase": phase, "hands_step": hands_step, "contents": contents}
    type(job).objects.filter(pk=job.pk).update(**row)
    lifecycle.sweep_dead(me.name, me.instance, periodic.settle_interrupted)
    assert rig.ended(job) == ("interrupted", "interrupted")
    slot, job = rig.slot(2), rig.job(job.run)
    assert (slot.power_state, slot.contents) == (power, "" if contents == "untouched" else contents)
    assert (job.phase, job.failed_in) == ("ended", phase)
    assert Claim.objects.count() == 0


def test_a_job_whose_operation_ended_without_a_worker_is_closed(image, operator):
    job = rig.job(rig.request(image, operator, 2))
    lifecycle.cancel(job.operation, operator)
    restoring.close_what_has_ended()
    assert rig.job(job.run).phase == "ended"
    assert queueing.open_runs() == 0
