"""Flashes of a whole portal, and whatever can go wrong around them: the worker killed, the board without power, the
cable pulled, the broker gone, the web server restarted."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tests.flows.flashes import Flashes
from tests.flows.scene import LONG, Scene
from tests.simulated import PROJECT

CM4, CM5, OTHER_CM5 = 2, 3, 4


@pytest.fixture(scope="module")
def _flashes(_unhurried: Scene) -> Flashes:
    return Flashes(_unhurried)


@pytest.fixture
def flashes(_flashes: Flashes, unhurried: Scene) -> Iterator[Flashes]:
    yield _flashes
    if unhurried.portal.process.poll() is None:  # one that was stopped has to have settled by itself
        unhurried.ready()
    _flashes.put_away(CM4, CM5, OTHER_CM5)
    unhurried.settled()


def test_two_slots_are_flashed_at_once_by_hands_and_each_has_the_power_that_was_promised(flashes: Flashes) -> None:
    """A CM4 that was on is restarted; a CM5 that was off stays in download mode, and the portal says so."""
    scene = flashes.scene
    flashes.make_off(CM5)
    scene.do(CM4, "ForceRestart")
    scene.wait(lambda: flashes.slot(CM4)["power_state"] == "On", "the CM4 to be on")
    jobs = flashes.ask(CM4, CM5)
    began = time.monotonic()
    flashes.hold_boot(CM4, jobs[CM4])
    flashes.hold_boot(CM5, jobs[CM5])
    ended = {slot: flashes.wait_ended(job) for slot, job in jobs.items()}
    for slot, job in ended.items():
        assert (job["state"], job["contents"]) == ("succeeded", "image"), f"{dict(job)} {scene.rows.log(jobs[slot])}"
        assert flashes.holds_image(slot)
        assert flashes.slot(slot)["contents"] == "image"
    assert (ended[CM4]["power_before"], ended[CM4]["power_after"]) == ("On", "On")
    assert ended[CM4]["message"].endswith("It was restarted.")
    assert (ended[CM5]["power_before"], ended[CM5]["power_after"]) == ("Off", "Unknown")
    assert "stays in download mode" in ended[CM5]["message"]
    assert flashes.slot(CM5)["power_state"] == "Unknown"
    assert scene.trace.levels(CM5, began) == [0, 1]
    assert scene.trace.levels(CM4, began) == [0, 1, 0, 1]


# The worker killed, at every phase


def hashing(flashes: Flashes) -> str:
    job = flashes.ask(CM4)[CM4]
    flashes.wait_phase(job, "preparing")
    return job


def waiting_for_hands(flashes: Flashes) -> str:
    job = flashes.ask(CM4)[CM4]
    flashes.scene.wait(lambda: flashes.job(job)["hands_step"] == 1, "hands to be asked for")
    return job


def pressing(flashes: Flashes) -> str:
    """The line is low: of a level SOM it stays there, a button is released."""
    job = waiting_for_hands(flashes)
    flashes.scene.board("fault", "slow", 0.3)
    since = time.monotonic()
    assert flashes.scene.client.post(f"/api/v1/flash-jobs/{job}/holding").status_code == 202
    flashes.scene.wait_edge(CM4, 0, since)
    return job


def feeding(flashes: Flashes) -> str:
    job = waiting_for_hands(flashes)
    flashes.scene.board("usb", CM4, "plug")
    flashes.scene.board("boot-button", CM4, "hold")
    assert flashes.scene.client.post(f"/api/v1/flash-jobs/{job}/holding").status_code == 202
    flashes.scene.catch(lambda: flashes.job(job)["hands_step"] == 3, "rpiboot")
    return job


def writing(flashes: Flashes) -> str:
    return flashes.writing(CM4)


def verifying(flashes: Flashes) -> str:
    job = flashes.writing(CM4, mb_per_s=1.5)
    flashes.wait_phase(job, "verifying")
    return job


def restoring(flashes: Flashes) -> str:
    job = flashes.writing(CM4, mb_per_s=100)
    flashes.scene.board("fault", "slow", 0.3)
    flashes.wait_phase(job, "restoring")
    return job


BEGUN = (writing, verifying, restoring)
soak = pytest.mark.soak


@pytest.mark.parametrize(
    "moment",
    [
        writing,
        *(
            pytest.param(moment, marks=soak)
            for moment in (hashing, waiting_for_hands, pressing, feeding, verifying, restoring)
        ),
    ],
    ids=lambda moment: moment.__name__,
)
def test_a_worker_killed_in_the_middle_leaves_what_it_did_named_and_nothing_held(flashes: Flashes, moment) -> None:
    scene = flashes.scene
    scene.do(CM4, "ForceRestart")
    job = moment(flashes)
    scene.kill("flash")
    scene.board("clear")
    scene.wait_healed("flash")
    row = flashes.wait_ended(job)
    assert (row["state"], row["code"]) == ("interrupted", "interrupted")
    assert [scene.rows.audit(job)[0], scene.rows.audit(job)[-1]] == ["requested", "interrupted"]
    assert scene.rows.claims() == []
    if moment in BEGUN:
        assert (row["contents"], flashes.slot(CM4)["contents"]) == ("unknown", "unknown")
    else:
        assert row["contents"] == "untouched"
    if moment not in (hashing, waiting_for_hands):
        assert flashes.slot(CM4)["power_state"] == "Unknown"
    flashes.put_away(CM4)
    again = flashes.retry(job, CM4)
    flashes.hold_boot(CM4, again)
    assert flashes.wait_ended(again)["state"] == "succeeded"
    assert flashes.holds_image(CM4)
    assert flashes.slot(CM4)["contents"] == "image"


@soak
def test_whatever_moment_was_the_workers_last(flashes: Flashes) -> None:
    """The whole walk: killed a little later each time, until the flash is through before the kill comes."""
    scene = flashes.scene
    for number in range(60):
        scene.do(CM4, "ForceRestart")
        before = flashes.head(CM4)
        scene.board("fault", "disk-slow", CM4, 1.0)
        job = flashes.ask(CM4)[CM4]
        scene.wait(lambda job=job: flashes.job(job)["state"] == "running", "it to run")
        hands = threading.Thread(target=flashes.try_to_hold_boot, args=(CM4, job))
        hands.start()
        time.sleep(0.25 * number)
        scene.kill("flash")
        scene.board("clear")
        hands.join(LONG)
        scene.wait_healed("flash")
        row = flashes.wait_ended(job)
        assert scene.rows.claims() == []
        assert not scene.hold_file(CM4).exists()
        if row["state"] == "succeeded":
            assert flashes.holds_image(CM4)
            return
        assert row["state"] == "interrupted", f"{number}: {dict(row)} {scene.rows.log(job)}"
        assert row["contents"] in ("untouched", "unknown")
        if row["contents"] == "untouched":
            assert flashes.head(CM4) == before
        assert flashes.slot(CM4)["contents"] == "unknown" if row["contents"] == "unknown" else True
        flashes.put_away(CM4)
    raise AssertionError("the walk did not come to the end of the flash")


@soak
def test_what_had_not_begun_is_done_once_by_the_next_worker(flashes: Flashes) -> None:
    scene = flashes.scene
    flashes.wait_ended(flashes.cancelled(flashes.ask(CM4)[CM4]))  # so that there is a flash worker
    with scene.stopped("flash"):
        job = flashes.ask(CM4)[CM4]
        scene.kill("flash")
    scene.wait_healed("flash")
    flashes.hold_boot(CM4, job)
    assert flashes.wait_ended(job)["state"] == "succeeded"
    assert flashes.said(job, "Writing to") == 1


# Around it


@pytest.mark.quiet  # it measures how quick others are
def test_a_long_flash_is_in_nobodys_way_and_nobody_is_in_its(flashes: Flashes) -> None:
    """While one slot is written: a power command elsewhere is as quick as ever, the web server and the broker die, a
    second run begins on another slot, and a cancel ends the first alone."""
    scene = flashes.scene
    flashes.make_off(CM5)
    job = flashes.writing(CM4, mb_per_s=0.1)
    began = time.monotonic()
    scene.do(OTHER_CM5, "PushPowerButton")
    assert scene.wait_edge(OTHER_CM5, 0, began) - began < 1
    scene.kill("web", "broker")
    before = flashes.job(job)["done_bytes"]
    scene.wait_healed("web", "broker")
    scene.wait(lambda: flashes.job(job)["done_bytes"] > before, "it to go on")
    second = flashes.ask(CM5)[CM5]
    flashes.hold_boot(CM5, second)
    flashes.wait_phase(second, "writing", "verifying", "restoring", "ended")
    assert flashes.job(job)["phase"] == "writing"
    asked_at = time.monotonic()
    flashes.cancelled(job)
    row = flashes.wait_ended(job)
    assert time.monotonic() - asked_at < 2.5  # a second, and the line's own
    assert (row["state"], row["contents"]) == ("cancelled", "unknown")
    assert row["message"].endswith("It was left off.")
    assert (flashes.slot(CM4)["power_state"], scene.level(CM4)) == ("Off", 0)
    assert flashes.wait_ended(second)["state"] == "succeeded"
    assert flashes.said(job, "Writing to") == 1


def test_a_cable_that_is_pulled_fails_that_slot_alone(flashes: Flashes) -> None:
    scene = flashes.scene
    flashes.make_off(CM5)
    scene.board("fault", "disk-slow", CM4, 0.25)
    scene.board("fault", "disk-slow", CM5, 0.5)
    jobs = flashes.ask(CM4, CM5)
    for slot, job in jobs.items():
        flashes.hold_boot(slot, job)
    flashes.wait_phase(jobs[CM4], "writing")
    time.sleep(0.5)
    scene.board("usb", CM4, "unplug")
    pulled = flashes.wait_ended(jobs[CM4])
    assert (pulled["state"], pulled["code"], pulled["failed_in"]) == ("failed", "write-failed", "writing")
    assert "No such device" in pulled["message"]
    assert "unknown" in pulled["message"]
    assert (flashes.slot(CM4)["contents"], flashes.slot(CM4)["power_state"]) == ("unknown", "Off")
    assert flashes.job(jobs[CM5])["state"] == "running"
    scene.board("clear")  # the rest of it need not be slow
    assert flashes.wait_ended(jobs[CM5])["state"] == "succeeded"


def test_a_board_that_loses_its_power_ends_the_flash_and_is_left_alone(flashes: Flashes) -> None:
    scene = flashes.scene
    job = flashes.writing(CM4)
    time.sleep(0.5)
    began = time.monotonic()
    scene.board("mains-cycle")
    row = flashes.wait_ended(job)
    assert (row["state"], row["code"]) == ("interrupted", "interrupted")
    assert "lost power" in row["message"]
    assert (row["contents"], flashes.slot(CM4)["contents"]) == ("unknown", "unknown")
    assert flashes.slot(CM4)["power_state"] == "Unknown"
    assert not scene.trace.writes(began)
    assert scene.rows.claims() == []


def test_stopping_the_portal_in_the_middle_takes_less_than_ten_seconds_and_is_written_down(flashes: Flashes) -> None:
    scene = flashes.scene
    job = flashes.writing(CM4)
    assert scene.portal.stop(signal.SIGTERM) < 10
    assert "killed" not in scene.portal.log().rpartition("Stopping.")[2]
    row = flashes.job(job)
    assert (row["state"], row["phase"], row["contents"]) == ("interrupted", "ended", "unknown")
    assert "told to stop" in row["message"]
    assert (flashes.slot(CM4)["power_state"], flashes.slot(CM4)["contents"]) == ("Off", "unknown")
    assert scene.rows.claims() == []


@soak
def test_a_flash_worker_without_work_ends_by_itself_and_not_as_a_failure(flashes: Flashes) -> None:
    """In time so fast that its ten minutes are a blink."""
    environment = {
        **flashes.scene.portal.environment,
        "NANOPORTAL_WORKER": "spare-flash",
        "NANOPORTAL_WORKER_KIND": "flash",
        "NANOPORTAL_TIME_SCALE": "1000",
    }
    options = ["--pool", "threads", "--concurrency", "4", "--queues", "flash@spare", "--hostname", "spare-flash"]
    process = subprocess.Popen(
        [sys.executable, "-m", "celery", "--quiet", "--app", "nanoportal", "worker", *options],
        env=environment,
        cwd=PROJECT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.wait(LONG) == 0
