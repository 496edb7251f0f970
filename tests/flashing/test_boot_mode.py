"""Hands, the press and what answers on USB: whose boot ROM it is, and what is left when it does not come.

On the simulated board, in a process of its own; the flash worker is the test's own process.
"""

import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from functools import partial

import pytest

from flashing.models import FlashJob, FlashRun, Method
from flashing.services import boot_mode, execution, promises, ways
from hardware import endpoints
from hardware.sequencer import StopReason
from hardware.som import PowerState
from operations import lifecycle
from operations.models import AuditEntry
from slots.models import Som
from slots.services import catalogue, parts, pressing
from tests.flashing import rig
from tests.flashing.rig import MIB
from tests.slots.rig import SCALE, Board, believe

pytestmark = pytest.mark.django_db(transaction=True)
CONTROLLER, CM4, CM5 = 1, 2, 3
OFF, ON, UNKNOWN = PowerState.OFF, PowerState.ON, PowerState.UNKNOWN


@pytest.fixture(scope="module")
def board_process(tmp_path_factory) -> Iterator[Board]:
    process = Board(tmp_path_factory.mktemp("sim"), name=rig.SLUG, scale=SCALE)
    yield process
    process.stop()


@pytest.fixture
def board(db, data_dir, board_process) -> Iterator[Board]:
    """The simulated board, cold, cables out."""
    board_process.start_cold()
    use(board_process, data_dir)
    yield board_process
    for slot in (CONTROLLER, CM4, CM5):
        board_process.ctl("usb", slot, "unplug")
        board_process.ctl("boot-button", slot, "release")


def use(board: Board, data_dir, **usb: str) -> None:
    """Let the portal know the board; `usb` gives slots other addresses than their own."""
    path = board.write_board_file(data_dir / "boards")
    text = path.read_text()
    for slot, address in usb.items():
        text = text.replace(f'"{board.usb[int(slot[1:])]}"', f'"{address}"')
    path.write_text(text)
    parts.forget()
    catalogue.sync_boards()


class Flash:
    """A run that goes on in a thread of its own."""

    def __init__(self, image, flasher, me, number: int, method: Method = Method.RPIBOOT) -> None:
        self.flasher, self._me = flasher, me
        self.run: FlashRun = rig.request(image, flasher, number, method=method, medium="eMMC")
        self.number = number
        self._thread = threading.Thread(target=rig.with_connection(self._carry_out))
        self._thread.start()

    def _carry_out(self) -> None:
        execution.execute(str(self.job.operation_id))

    @property
    def job(self) -> FlashJob:
        return rig.job(self.run, self.number)

    def wait_step(self, *steps: int) -> None:
        rig.wait_for(lambda: self.job.hands_step in steps or not self.job.operation.is_open)
        assert self.job.hands_step in steps, rig.log(self.job)

    def hold(self) -> None:
        boot_mode.holding(self.job, self.flasher)

    def say(self, words: str) -> None:
        rig.wait_for(lambda: any(words in line for line in rig.log(self.job)))

    def end(self) -> FlashJob:
        self._thread.join(30)
        assert not self._thread.is_alive(), rig.log(self.job)
        return self.job

    def cancel(self) -> FlashJob:
        lifecycle.cancel(self.job.operation, self.flasher)
        self._me.pass_on_cancels()
        return self.end()


@pytest.fixture
def flash(image, flasher, me):
    return lambda number, *more: Flash(image, flasher, me, number, *more)


def test_the_hands_of_a_simulated_board_bring_a_slot_into_its_boot_rom_and_let_go(board, flash, flasher, viewer):
    believe(CM4, OFF, line_low=False)
    one = flash(CM4)
    one.wait_step(1)
    boot_mode.simulated_hands(one.job, flasher)
    one.hold()
    one.wait_step(3, 4)
    boot_mode.simulated_hands(one.job, flasher)
    job = one.end()
    assert (job.operation.state, job.contents) == ("succeeded", "image")
    assert board.slot(CM4)["boot_button"] is False
    assert (rig.slot(CM4).power_state, rig.slot(CM4).line_low) == (OFF, True)
    assert board.is_low(CM4)
    assert job.operation.message.endswith("It was left off.")
    assert AuditEntry.objects.filter(action="flash.hands").count() == 1


def test_what_was_there_before_the_press_is_not_taken_for_a_button_soms_boot_rom(board, flash):
    """Slot 3's cable already leads to something in its boot ROM: nothing is pressed until it is unplugged."""
    board.ctl("usb", CM5, "plug")
    board.ctl("boot-button", CM5, "hold")
    board.press_past_the_portal(CM5)
    believe(CM5, OFF)
    one = flash(CM5)
    one.wait_step(1)
    one.hold()
    one.say("unplug it first")
    assert one.job.press_asked_at is None
    before = [(CM5, 0), (CM5, 1)]
    assert board.moves() == before
    job = one.cancel()
    assert (job.operation.state, job.contents) == ("cancelled", "untouched")
    assert (rig.slot(CM5).power_state, board.moves()) == (OFF, before)


def test_another_boot_rom_than_the_slots_own_is_refused(board, flash, data_dir):
    """Somebody mixed up the cables: what answers at slot 2's socket is slot 3's CM5."""
    use(board, data_dir, _2=board.usb[CM5])
    board.ctl("boot-button", CM5, "hold")
    board.press_past_the_portal(CM5)  # now, since the bus is the portal's own while it presses
    believe(CM4, ON)
    one = flash(CM4)
    one.wait_step(1)
    one.hold()
    one.say("re-read")
    board.ctl("usb", CM5, "plug")
    job = one.end()
    assert (job.operation.code, job.contents, job.failed_in) == ("target-refused", "untouched", "boot-mode")
    assert "the cable leads elsewhere. Nothing was written. It was restarted." in job.operation.message
    into_the_boot_rom = restart = [(CM4, 0), (CM4, 1)]
    assert board.moves() == [(CM5, 0), (CM5, 1), *into_the_boot_rom, *restart]


def test_a_level_som_may_be_pressed_again_and_a_cable_that_comes_late_is_in_time(board, flash, monkeypatch):
    monkeypatch.setattr(ways, "BOOT_ROM_SECONDS", 5.0)
    believe(CM4, ON)
    one = flash(CM4)
    one.wait_step(1)
    board.ctl("boot-button", CM4, "hold")
    one.hold()
    one.say("have it pressed again")
    one.wait_step(1)
    one.hold()
    one.wait_step(2)
    board.ctl("usb", CM4, "plug")
    assert one.end().operation.state == "succeeded"
    assert [level for line, level in board.moves() if line == CM4] == [0, 1] * 3


def test_a_second_click_while_the_line_is_about_to_move_presses_nothing_more(board, flash, flasher, monkeypatch):
    def hold_again(slot):
        boot_mode.holding(one.job, flasher)
        return press(slot)

    press = promises.press
    believe(CM4, ON)
    one = flash(CM4)
    one.wait_step(1)
    monkeypatch.setattr(promises, "press", hold_again)
    boot_mode.simulated_hands(one.job, flasher)
    board.ctl("usb", CM4, "unplug")
    one.hold()
    one.wait_step(2)
    one.say("re-read")
    time.sleep(0.3)
    board.ctl("usb", CM4, "plug")
    assert one.end().operation.state == "succeeded"
    assert [level for line, level in board.moves() if line == CM4] == [0, 1] * 2  # into the boot ROM, and out of it


def test_a_word_that_comes_too_late_presses_nothing(board, flash, monkeypatch):
    monkeypatch.setattr(ways, "PRESS_WITHIN", timedelta(seconds=-1))
    believe(CM4, ON)
    one = flash(CM4)
    one.wait_step(1)
    one.hold()
    one.say("hold it and say so again")
    assert one.job.hands_step == 1
    assert one.cancel().operation.state == "cancelled"
    assert board.moves() == []


def test_a_press_that_is_cancelled_before_it_begins_leaves_the_slot_as_it_was(board, flash, monkeypatch):
    def cancel_first(slot, *more, **named):
        stop.request(StopReason.CANCEL)
        return press(slot, *more, **named)

    press = pressing.press
    believe(CM5, OFF)
    flashing = flash(CM5)
    flashing.wait_step(1)
    (stop,) = flashing._me._running.values()
    monkeypatch.setattr(pressing, "press", cancel_first)
    flashing.hold()
    job = flashing.end()
    assert (job.operation.state, job.contents) == ("cancelled", "untouched")
    assert (rig.slot(CM5).power_state, board.moves()) == (OFF, [])


def test_hands_that_never_come_end_it_untouched(board, flash, monkeypatch):
    monkeypatch.setattr(ways, "HANDS_SECONDS", 10.0)
    believe(CM4, ON)
    job = flash(CM4).end()
    assert (job.operation.code, job.contents, job.failed_in) == ("boot-mode-timeout", "untouched", "boot-mode")
    assert "a cable alone cannot be seen. Nothing was written." in job.operation.message
    assert (board.moves(), rig.slot(CM4).power_state) == ([], ON)


def test_a_button_som_that_does_not_latch_is_forced_off_again(board, flash, flasher):
    Som.objects.filter(slot__number=CM5).update(latch_cured=True)
    believe(CM5, OFF)
    one = flash(CM5)
    one.wait_step(1)
    boot_mode.simulated_hands(one.job, flasher)
    one.hold()
    one.wait_step(3, 4)
    job = one.end()
    assert job.operation.state == "succeeded"
    assert (job.power_after, rig.slot(CM5).power_state, rig.slot(CM5).latched) == ("Off", OFF, False)
    low, high = [entry["t"] for entry in board.edges() if entry["line"] == CM5][2:]
    assert (high - low) * SCALE > 7.5


def test_the_second_slot_waits_until_hands_are_done_with_the_first(board, image, flasher, me):
    believe(CM4, ON)
    believe(CM5, OFF)
    run = rig.request(image, flasher, CM4, CM5, method=Method.RPIBOOT, medium="eMMC")
    thread = threading.Thread(target=rig.with_connection(execution.execute), args=(str(rig.jobs(run)[1].operation_id),))
    thread.start()
    rig.wait_for(lambda: rig.job(run, CM4).hands_step == 1)
    assert rig.job(run, CM5).hands_step == 0
    lifecycle.cancel(rig.job(run, CM4).operation, flasher)
    me.pass_on_cancels()
    rig.wait_for(lambda: rig.job(run, CM5).hands_step == 1)
    assert rig.ended(rig.job(run, CM4)) == ("cancelled", "cancelled")
    lifecycle.cancel(rig.job(run, CM5).operation, flasher)
    me.pass_on_cancels()
    thread.join(20)
    assert rig.ended(rig.job(run, CM5)) == ("cancelled", "cancelled")


@pytest.mark.parametrize(
    ("fault", "code", "phase"),
    [
        (("disk-bad-block", 2 * MIB), "write-failed", "writing"),
        pytest.param(("disk-unreadable", MIB), "read-failed", "verifying", marks=pytest.mark.soak),
        pytest.param(("disk-lies",), "verify-failed", "verifying", marks=pytest.mark.soak),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_storage_that_fails_leaves_its_som_off_and_its_contents_unknown(board, flash, flasher, fault, code, phase):
    """Even one that was on before: nobody knows what it would boot."""
    believe(CM4, ON)
    name, *offset = fault
    board.ctl("fault", name, CM4, *offset)
    one = flash(CM4)
    one.wait_step(1)
    boot_mode.simulated_hands(one.job, flasher)
    one.hold()
    job = one.end()
    assert (job.operation.code, job.contents, job.failed_in) == (code, "unknown", phase)
    assert job.operation.message.endswith("unknown, and does not boot. It was left off.")
    slot = rig.slot(CM4)
    assert (slot.contents, slot.power_state, slot.line_low) == ("unknown", OFF, True)
    assert board.is_low(CM4)


def test_a_disk_that_was_there_before_hands_held_boot_is_not_taken_for_the_boot_loaders(board, flash, flasher):
    """The boot loader's own from last time, or a stick of the same size: told apart by its starting anew."""
    use_hands = partial(endpoints.use_simulated_hands, board.usb[CONTROLLER], CONTROLLER, presses_reset=True)
    use_hands(True)
    board.wait_until(lambda state: state["slots"]["1"]["usb"]["disks"])
    believe(CONTROLLER, ON)
    one = flash(CONTROLLER, Method.UMS)
    one.say("which was there before")
    time.sleep(0.5)
    assert (one.job.phase, one.job.contents) == ("boot-mode", "untouched")
    use_hands(True)
    job = one.end()
    assert (job.operation.state, job.contents) == ("succeeded", "image")
    assert (job.power_after, rig.slot(CONTROLLER).power_state, board.moves()) == (UNKNOWN, UNKNOWN, [])
