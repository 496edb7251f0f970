"""Ends that are none of the usual ones: the power fails on the way out, somebody else ends it, our database fails."""

import json
import threading
from pathlib import Path

import pytest
from django.db import OperationalError

from flashing.models import FlashJob, Method
from flashing.services import attending, execution, restoring, ways
from hardware.errors import WriteError
from hardware.flash.disks import DiskIdentity
from hardware.som import PowerState
from operations import lifecycle
from operations.models import AuditEntry, Claim, Operation
from slots.models import Slot
from slots.services import execution as power_execution
from slots.services import pressing
from tests.flashing import rig
from tests.flashing.test_execution import Slow, carry_out, while_writing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def pressed(monkeypatch):
    """What is written is a file, and the slot counts as one whose line was pressed for it."""
    opens = ways.FileWay.open

    def open_pressed(way):
        way._one.was_pressed = True
        return opens(way)

    init = ways.FileWay.__init__

    def keep(way, one):
        init(way, one)
        way._one = one

    monkeypatch.setattr(ways.FileWay, "__init__", keep)
    monkeypatch.setattr(ways.FileWay, "open", open_pressed)


def test_power_that_cannot_be_restored_is_said_and_is_unknown(image, flasher, me, monkeypatch, pressed):
    def fails(*_, **__):
        raise WriteError("the expander", 1, "no answer")

    monkeypatch.setattr(pressing, "press", fails)
    Slot.objects.filter(number=2).update(power_state="On")
    run = rig.request(image, flasher, 2)
    carry_out(run)
    job = rig.job(run)
    assert (*rig.ended(job), job.contents, job.failed_in) == ("failed", "write-failed", "image", "restoring")
    assert "no answer" in job.operation.message
    assert "All of it was read back and is right." in job.operation.message
    assert "Its power could not be seen to and is Unknown." in job.operation.message
    assert rig.slot(2).power_state == PowerState.UNKNOWN


def test_a_fault_of_our_own_on_the_way_out_leaves_the_power_unknown(image, flasher, me, monkeypatch, pressed):
    def fails(*_, **__):
        raise OperationalError("database is locked")

    monkeypatch.setattr(pressing, "press", fails)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    Slot.objects.filter(number=2).update(power_state="On")
    run = rig.request(image, flasher, 2)
    carry_out(run)
    job = rig.job(run)
    assert (*rig.ended(job), job.contents) == ("failed", "internal", "image")
    assert job.operation.message.startswith(lifecycle.FAULT)
    assert job.operation.message.endswith("Its power could not be seen to and is Unknown.")
    assert rig.slot(2).power_state == PowerState.UNKNOWN


def test_what_is_ended_from_outside_does_not_stay_being_written(image, flasher, me, monkeypatch):
    opened = rig.FileTarget.open
    monkeypatch.setattr("flashing.services.ways.FileTarget.open", lambda path: Slow(opened(path)))
    run = rig.request(image, flasher, 2)

    def lose_power():
        lifecycle.interrupt(rig.job(run).operation, "The board lost power. It is not repeated.")
        me.pass_on_cancels()

    while_writing(run, lose_power)
    job = rig.job(run)
    assert rig.ended(job) == ("interrupted", "interrupted")
    assert (job.contents, job.phase, job.eta_seconds) == ("unknown", "ended", None)
    assert rig.slot(2).contents_words == f"a flash of {image.name} did not come to its end"


def test_somebody_elses_power_is_left_alone_once_the_operation_was_ended_from_outside(
    image, flasher, me, monkeypatch, pressed
):
    opened = rig.FileTarget.open
    monkeypatch.setattr("flashing.services.ways.FileTarget.open", lambda path: Slow(opened(path)))
    run = rig.request(image, flasher, 3)

    def end_it():
        lifecycle.interrupt(rig.job(run, 3).operation, "The board lost power. It is not repeated.")
        Slot.objects.filter(number=3).update(power_state="On", by="somebody else")
        me.pass_on_cancels()

    thread = threading.Thread(target=rig.with_connection(carry_out), args=(run,))
    thread.start()
    rig.wait_for(lambda: rig.job(run, 3).phase == "writing")
    end_it()
    thread.join(30)
    assert (rig.slot(3).power_state, rig.slot(3).by) == ("On", "somebody else")


def test_a_database_that_fails_before_the_first_slot_is_attended_to_leaves_nothing_claimed(
    image, flasher, me, monkeypatch
):
    class Failing(attending.Attendant):
        def __init__(self, job, run, worker):
            if job.number == 3:
                raise OperationalError("database is locked")
            super().__init__(job, run, worker)

    monkeypatch.setattr(execution, "Attendant", Failing)
    run = rig.request(image, flasher, 2, 3)
    with pytest.raises(OperationalError):
        carry_out(run)
    assert me.running_ids() == []
    for _ in range(2):
        me.sweep_abandoned(restoring.settle_interrupted)
    assert [rig.ended(job)[0] for job in rig.jobs(run)] == ["interrupted"] * 2
    assert Claim.objects.count() == 0


def test_a_worker_that_is_about_to_end_begins_nothing(image, flasher, me, data_dir):
    me.stopping.set()
    run = rig.request(image, flasher, 2)
    carry_out(run)
    assert rig.ended(rig.job(run))[0] == "queued"


@pytest.mark.parametrize("phase", ["boot-mode", "restoring"])
def test_a_worker_that_died_after_the_press_leaves_the_power_unknown(image, flasher, me, phase):
    """Also in the moment in which nothing is asked of hands any more and the disk is not open yet."""
    run = rig.request(image, flasher, 2)
    FlashJob.objects.update(method=Method.RPIBOOT, phase=phase, hands_step=0)
    operation = lifecycle.start(str(rig.job(run).operation_id), worker=me.name, instance="of an earlier life")
    power_execution.write_state(rig.slot(2), operation, PowerState.ON, line_low=False)
    lifecycle.sweep_dead(me.name, me.instance, restoring.settle_interrupted)
    assert rig.slot(2).power_state == PowerState.UNKNOWN
    assert any("download mode" in line for line in rig.log(rig.job(run)))
    detail = json.loads(AuditEntry.objects.latest("seq").text)["detail"]
    assert (detail["before"], detail["after"]) == ({"power": "On"}, {"power": "Unknown"})


def test_a_worker_that_died_before_the_press_leaves_the_power_as_it_was(image, flasher, me):
    run = rig.request(image, flasher, 2)
    Slot.objects.filter(number=2).update(power_state="On")
    FlashJob.objects.update(method=Method.RPIBOOT, phase="boot-mode", hands_step=1)
    lifecycle.start(str(rig.job(run).operation_id), worker=me.name, instance="of an earlier life")
    lifecycle.sweep_dead(me.name, me.instance, restoring.settle_interrupted)
    assert rig.slot(2).power_state == "On"


class Stuck(Slow):
    """A connection whose far side has not come back from a sync; it may be closed at any time."""

    closed = 0

    def __init__(self, target):
        super().__init__(target)
        self.gate = threading.Event()

    def sync(self):
        self.gate.wait(20)
        raise WriteError("the far side", 0, "closed")

    def close(self):
        Stuck.closed += 1
        self.gate.set()


def test_a_connection_that_does_not_come_back_is_closed_so_that_the_far_side_lets_go(image, flasher, me, monkeypatch):
    run = rig.request(image, flasher, 2)
    target = Stuck(rig.FileTarget.open(Path(rig.job(run).address)))
    identity = DiskIdentity("root@som:/dev/sda", "", "", "", target.size_bytes)
    monkeypatch.setattr(ways.NetworkWay, "open", lambda way: (target, identity))
    FlashJob.objects.update(method=Method.NETWORK)

    def cancel():
        lifecycle.cancel(Operation.objects.get(), flasher)
        me.pass_on_cancels()

    assert while_writing(run, cancel) < 5
    assert rig.ended(rig.job(run))[0] == "cancelled"
    assert Stuck.closed == 1
