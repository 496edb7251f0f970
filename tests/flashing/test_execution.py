"""A flash from the queue to its end, in the test's own process, onto files that stand for disks."""

import json
import threading
import time

import pytest

from flashing.models import FlashRun
from flashing.services import execution, profiles, progress, requests, restoring
from hardware.flash import writer
from hardware.sequencer import StopReason
from images import store
from operations import lifecycle
from operations.models import AuditEntry, Claim, Operation
from slots.models import Contents
from tests.bootable import BOOT_START, make_bootable
from tests.flashing import rig
from tests.flashing.rig import MIB, STORAGE_BYTES
from tests.images import rig as images

pytestmark = pytest.mark.django_db(transaction=True)


def carry_out(run: FlashRun) -> None:
    execution.execute(str(rig.jobs(run)[0].operation_id))


def storage(folder, number: int) -> bytes:
    return (folder / f"slot-{number}.disk").read_bytes()


def holds_image(folder, number: int) -> bool:
    """Over its mapped ranges; what the image leaves open may hold anything."""
    held, image = storage(folder, number), rig.raw_image()
    return held[:MIB] == image[:MIB] and held[MIB : MIB + 4096 + MIB // 4] == image[MIB : MIB + 4096 + MIB // 4]


def test_one_image_goes_onto_two_slots_and_is_read_back(image, flasher, me, data_dir):
    run = rig.request(image, flasher, 2, 3)
    carry_out(run)
    for job in rig.jobs(run):
        assert rig.ended(job) == ("succeeded", "")
        assert holds_image(data_dir, job.number)
        assert storage(data_dir, job.number)[4 * MIB :] == rig.noise(job.number)[4 * MIB :]
        assert (job.phase, job.contents, job.failed_in) == ("ended", "image", "")
        assert job.operation.message == "All of it was read back and is right."
        slot = rig.slot(job.number)
        assert (slot.contents, slot.contents_words) == (Contents.IMAGE, f"{image.name}, read back and right")
        end = AuditEntry.objects.filter(operation_id=job.operation_id).latest("seq")
        changed = json.loads(end.text)["detail"]
        assert changed["before"] == {"storage": "nothing was written by the portal"}
        assert changed["after"] == {"storage": f"Image, verified: {image.name}, read back and right"}
    assert Claim.objects.count() == 0
    run.refresh_from_db()
    targets = run.plan["targets"]
    assert [one["identity"]["size_bytes"] for one in targets] == [STORAGE_BYTES] * 2
    assert f"Plan {run.fingerprint}: file of slot 2" in "".join(rig.log(rig.job(run, 2)))
    assert not (data_dir / "flashing" / run.pk.hex).exists()


def test_a_message_that_comes_again_finds_nothing(image, flasher, me, data_dir):
    run = rig.request(image, flasher, 2, 3)
    carry_out(run)
    before = rig.log(rig.job(run, 2))
    (data_dir / "slot-2.disk").write_bytes(rig.noise(2))
    for job in rig.jobs(run):
        execution.execute(str(job.operation_id))
    assert storage(data_dir, 2) == rig.noise(2)
    assert rig.log(rig.job(run, 2)) == before


def test_two_workers_with_the_same_message_begin_one_run(image, flasher, me, data_dir):
    run = rig.request(image, flasher, 2, 3)
    threads = [threading.Thread(target=rig.with_connection(carry_out), args=(run,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [rig.ended(job) for job in rig.jobs(run)] == [("succeeded", "")] * 2
    assert [text.startswith("Writing to") for text in rig.log(rig.job(run, 2))].count(True) == 1


def test_what_comes_too_late_is_not_begun(image, flasher, me, data_dir):
    run = rig.request(image, flasher, 2)
    Operation.objects.update(expires_at=Operation.objects.get().created_at)
    carry_out(run)
    assert rig.ended(rig.job(run)) == ("expired", "expired")
    assert storage(data_dir, 2) == rig.noise(2)
    restoring.close_what_has_ended()
    assert rig.job(run).phase == "ended"


def test_an_image_that_somebody_changed_is_written_nowhere(image, flasher, me, data_dir):
    path = store.kept(image.pk)
    path.chmod(0o600)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    run = rig.request(image, flasher, 2, 3)
    carry_out(run)
    for job in rig.jobs(run):
        assert rig.ended(job) == ("failed", "image-corrupt")
        assert "somebody changed it. Nothing was written." in job.operation.message
        assert (job.contents, job.failed_in) == ("untouched", "preparing")
        assert storage(data_dir, job.number) == rig.noise(job.number)
        assert rig.slot(job.number).contents == ""


def test_a_target_that_is_too_small_or_gone_fails_alone(image, flasher, me, data_dir):
    run = rig.request(image, flasher, 2, 3, 4)
    (data_dir / "slot-3.disk").write_bytes(bytes(MIB))
    (data_dir / "slot-4.disk").unlink()
    carry_out(run)
    assert [rig.ended(job)[1] for job in rig.jobs(run)] == ["", "target-too-small", "device-not-found"]
    assert holds_image(data_dir, 2)


def test_the_contents_are_unknown_on_record_before_the_first_byte(image, flasher, me, data_dir, monkeypatch):
    seen = []

    def look(*_, **more):
        seen.append((rig.slot(2).contents, rig.job(run).contents, storage(data_dir, 2) == rig.noise(2)))
        return flash(*_, **more)

    flash = writer.flash
    monkeypatch.setattr(writer, "flash", look)
    run = rig.request(image, flasher, 2)
    carry_out(run)
    assert seen == [(Contents.UNKNOWN, "unknown", True)]


class Lying:
    """A target that stores other bytes than it is given, from an offset on."""

    def __init__(self, target):
        self._target = target

    def __getattr__(self, name):
        return getattr(self._target, name)

    def write(self, offset, data):
        other = memoryview(bytearray(data))
        if offset >= MIB and len(other):
            other[0] ^= 1
        self._target.write(offset, other)


def test_what_does_not_read_back_is_a_failure_that_does_not_boot(image, flasher, me, data_dir, monkeypatch):
    opened = rig.FileTarget.open
    monkeypatch.setattr("flashing.services.ways.FileTarget.open", lambda path: Lying(opened(path)))
    run = rig.request(image, flasher, 2)
    carry_out(run)
    job = rig.job(run)
    assert rig.ended(job) == ("failed", "verify-failed")
    assert (job.contents, job.failed_in) == ("unknown", "verifying")
    assert "unknown, and does not boot" in job.operation.message
    assert rig.slot(2).contents == Contents.UNKNOWN
    assert storage(data_dir, 2)[:512] == bytes(512)


class Slow(Lying):
    """A target of which every write takes a while."""

    def write(self, offset, data):
        time.sleep(0.2)
        self._target.write(offset, data)


@pytest.fixture
def slow(monkeypatch):
    """Slot 2's storage is slow."""
    opened = rig.FileTarget.open

    def open_slowly(path):
        return Slow(opened(path)) if path.name == "slot-2.disk" else opened(path)

    monkeypatch.setattr("flashing.services.ways.FileTarget.open", open_slowly)


def while_writing(run, act) -> float:
    """Do `act` once slot 2 is being written; returns how long it took from then to the end of its operation."""
    thread = threading.Thread(target=rig.with_connection(carry_out), args=(run,))
    thread.start()
    rig.wait_for(lambda: rig.job(run).phase == "writing")
    time.sleep(0.3)
    began = time.monotonic()
    act()
    rig.wait_for(lambda: not rig.job(run).operation.is_open)
    took = time.monotonic() - began
    thread.join(30)
    return took


def test_a_cancel_ends_one_slot_within_a_second_and_no_other(image, flasher, me, data_dir, slow):
    run = rig.request(image, flasher, 2, 3)

    def cancel():
        lifecycle.cancel(rig.job(run).operation, flasher)
        me.pass_on_cancels()

    assert while_writing(run, cancel) < 1.2
    assert rig.ended(rig.job(run)) == ("cancelled", "cancelled")
    assert rig.job(run).contents == "unknown"
    assert rig.job(run).operation.message.startswith("Cancelled by olga. What its storage holds is unknown")
    assert rig.ended(rig.job(run, 3)) == ("succeeded", "")
    assert holds_image(data_dir, 3)


def test_a_worker_that_is_told_to_stop_says_so_and_leaves_nothing_claimed(image, flasher, me, data_dir, slow):
    run = rig.request(image, flasher, 2)
    assert while_writing(run, lambda: me._running[str(rig.job(run).operation_id)].request(StopReason.SHUTDOWN)) < 1.5
    assert rig.ended(rig.job(run)) == ("interrupted", "interrupted")
    assert "The worker was told to stop" in rig.job(run).operation.message
    assert Claim.objects.count() == 0


def test_a_fast_slot_ends_while_a_slow_one_is_still_written(image, flasher, me, data_dir, slow):
    run = rig.request(image, flasher, 2, 3)
    thread = threading.Thread(target=rig.with_connection(carry_out), args=(run,))
    thread.start()
    rig.wait_for(lambda: not rig.job(run, 3).operation.is_open)
    still = rig.job(run, 2).operation.is_open
    thread.join(30)
    assert still
    assert rig.ended(rig.job(run, 2)) == ("succeeded", "")


def test_skipping_the_verification_stains_the_slot(image, administrator, me, data_dir):
    run = rig.request(image, administrator, 2, unverified_reason="in a hurry")
    carry_out(run)
    assert rig.ended(rig.job(run)) == ("succeeded", "")
    assert rig.slot(2).contents == Contents.UNVERIFIED
    assert rig.job(run).operation.message == "It was written and not read back: in a hurry."


def test_a_worker_that_died_is_swept_up_and_a_retry_works(image, flasher, me, data_dir):
    run = rig.request(image, flasher, 2)
    job = rig.job(run)
    lifecycle.start(str(job.operation_id), worker=me.name, instance="of an earlier life")
    progress.enter(job, "writing", "writing")
    type(job).objects.update(contents="unknown")
    lifecycle.sweep_dead(me.name, me.instance, restoring.settle_interrupted)
    assert rig.ended(rig.job(run)) == ("interrupted", "interrupted")
    assert (rig.job(run).phase, rig.job(run).failed_in) == ("ended", "writing")
    assert rig.slot(2).contents == Contents.UNKNOWN
    assert Claim.objects.count() == 0
    again = requests.retry(rig.job(run), flasher, rig.name(2))
    carry_out(again)
    assert rig.ended(rig.job(again)) == ("succeeded", "")
    assert holds_image(data_dir, 2)


def test_nothing_is_left_claimed_by_a_fault_of_our_own(image, flasher, me, data_dir, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("a bug")

    monkeypatch.setattr(writer, "flash", broken)
    monkeypatch.setattr(threading, "excepthook", lambda args: None)
    run = rig.request(image, flasher, 2, 3)
    carry_out(run)
    assert [rig.ended(job) for job in rig.jobs(run)] == [("failed", "internal")] * 2
    assert [job.contents for job in rig.jobs(run)] == ["unknown"] * 2
    assert Claim.objects.count() == 0


def test_each_slot_gets_its_own_first_boot_files_and_nothing_else_differs(board, flasher, me, data_dir):
    """With Debian's own tools: the image has a real file system, which is clean afterwards."""
    source = make_bootable(data_dir / "boot.img", {"user-data": b"#cloud-config\n", "meta-data": b""}, size_mib=6)
    image = images.kept_image(source.read_bytes(), flasher, "boot.img")
    image.som_types.clear()
    profile = profiles.create(profiles.Wish(name="lab", hostname_template="{board}-{slot}"), flasher)
    run = rig.request(image, flasher, 2, 3, profile_id=profile.pk)
    carry_out(run)
    original = source.read_bytes()
    for job in rig.jobs(run):
        assert rig.ended(job) == ("succeeded", ""), rig.log(job)
        assert job.hostname == f"demo-{job.number}"
        disk = data_dir / f"slot-{job.number}.disk"
        held = disk.read_bytes()
        assert held[:MIB] == original[:MIB]
        told = rig.tool("mtype", "-i", f"{disk}@@{BOOT_START}", "::meta-data")
        assert f"demo-{job.number}" in told
        partition = data_dir / "partition"
        partition.write_bytes(held[BOOT_START : len(original)])
        assert rig.tool("fsck.fat", "-n", str(partition))
        assert any(line.startswith("First boot: ") for line in rig.log(job))
    assert storage(data_dir, 2)[: 6 * MIB] != storage(data_dir, 3)[: 6 * MIB]
