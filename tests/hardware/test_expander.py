"""The PCA9557 driver against the register model: the traps of the chip, one by one."""

import contextlib
import errno
import threading
from pathlib import Path

import pytest

from hardware.contracts import ForeignChange, Level
from hardware.errors import BusError, LineStuck, RecordUnwritable, VerifyMismatch
from hardware.expander import CONFIGURATION, OUTPUT, POLARITY
from hardware.ledger import LineLedger
from tests.hardware.rig import COLD, Rig, full_disk

ALL_LINES = range(8)


def test_the_simulated_chip_starts_with_the_registers_of_the_data_sheet(rig: Rig) -> None:
    assert rig.expander.registers() == COLD


# Trap 1: after power-up the output register is 0x00 and all pins are inputs.


@pytest.mark.parametrize("line", ALL_LINES)
def test_releasing_a_line_of_a_cold_chip_moves_no_pin_at_all(rig: Rig, line: int) -> None:
    rig.expander.drive(line, Level.HIGH)
    assert rig.edges() == []
    assert rig.expander.is_driven(line)


@pytest.mark.parametrize("line", ALL_LINES)
def test_asserting_a_line_of_a_cold_chip_moves_that_pin_only(rig: Rig, line: int) -> None:
    rig.expander.drive(line, Level.LOW)
    assert rig.edges() == [(line, 0)]
    assert [n for n in ALL_LINES if rig.expander.is_driven(n)] == [line]


def test_the_level_is_written_before_the_direction(rig: Rig) -> None:
    rig.expander.drive(3, Level.HIGH)
    assert rig.writes() == ["0108", "03f7"]


def test_the_direction_of_a_line_that_is_an_output_is_left_alone(rig: Rig) -> None:
    rig.expander.drive(3, Level.HIGH)
    rig.expander.drive(3, Level.LOW)
    assert rig.writes() == ["0108", "03f7", "0100"]


def test_every_line_can_be_pressed_in_turn_without_any_other_pin_moving(rig: Rig) -> None:
    for line in ALL_LINES:
        rig.expander.drive(line, Level.LOW)
        rig.expander.drive(line, Level.HIGH)
    assert rig.edges() == [(line, level) for line in ALL_LINES for level in (0, 1)]


# Trap 2: the polarity register is 0xF0 after power-up.


@pytest.mark.parametrize("line", ALL_LINES)
def test_the_pin_is_read_through_the_polarity_register(rig: Rig, line: int) -> None:
    assert rig.expander.drive(line, Level.LOW).level is Level.LOW
    assert rig.expander.read(line) is Level.LOW
    assert rig.expander.drive(line, Level.HIGH).level is Level.HIGH
    assert rig.expander.read(line) is Level.HIGH


@pytest.mark.parametrize("polarity", [0x00, 0x55, 0xFF])
def test_whatever_somebody_wrote_into_the_polarity_register_the_pin_is_read_right(rig: Rig, polarity: int) -> None:
    rig.write_as_somebody_else(POLARITY, polarity)
    assert [rig.expander.read(line) for line in ALL_LINES] == [Level.HIGH] * 8
    assert rig.expander.drive(5, Level.LOW).level is Level.LOW


def test_the_polarity_register_is_never_written(rig: Rig) -> None:
    for line in ALL_LINES:
        rig.expander.drive(line, Level.LOW)
    assert not [data for data in rig.writes() if data.startswith("02")]


# Trap 3: one output register holds all eight lines.


def test_what_somebody_else_changed_is_left_as_it_is_and_reported_with_both_values(rig: Rig) -> None:
    rig.expander.drive(3, Level.HIGH)
    rig.expander.drive(5, Level.HIGH)
    rig.write_as_somebody_else(OUTPUT, 0x08)  # line 5 low
    report = rig.expander.drive(3, Level.LOW)
    change = ForeignChange("output", expected=0x28, found=0x08)
    assert report.foreign == (change,)
    assert rig.foreign == [change]
    assert str(change) == "Another program changed the expander's output register from 0x28 to 0x08 (line 5)."
    assert rig.board.expander.pins[5] == 0


def test_a_change_is_reported_once(rig: Rig) -> None:
    rig.expander.drive(3, Level.HIGH)
    rig.write_as_somebody_else(OUTPUT, 0x28)
    rig.expander.drive(3, Level.LOW)
    assert rig.expander.drive(3, Level.HIGH).foreign == ()


def test_a_direction_that_somebody_else_changed_is_reported(rig: Rig) -> None:
    rig.expander.drive(3, Level.HIGH)
    rig.write_as_somebody_else(CONFIGURATION, 0xD7)  # line 5 an output
    assert rig.expander.drive(3, Level.LOW).foreign == (ForeignChange("configuration", 0xF7, 0xD7),)


def test_a_neighbour_that_changes_between_our_write_and_our_look_is_reported(rig: Rig) -> None:
    rig.expander.drive(3, Level.HIGH)

    def interfere(number: int) -> None:
        if rig.writes()[-1] == "0100":
            rig.smbus.after_transfer = lambda number: None
            rig.write_as_somebody_else(OUTPUT, 0x80)

    rig.smbus.after_transfer = interfere
    assert rig.expander.drive(3, Level.LOW).foreign == (ForeignChange("output", 0x00, 0x80),)


def test_our_own_bit_changed_behind_our_back_between_two_drives_is_reported(rig: Rig) -> None:
    rig.expander.drive(3, Level.LOW)
    rig.write_as_somebody_else(OUTPUT, 0x08)
    assert rig.expander.drive(3, Level.HIGH).foreign == (ForeignChange("output", 0x00, 0x08),)


def test_two_processes_do_not_take_each_other_for_a_stranger(rig: Rig) -> None:
    other = rig.new_expander()
    for line in (2, 3, 2, 5, 3):
        rig.expander.drive(line, Level.LOW)
        other.drive(line, Level.HIGH)
    assert rig.foreign == []


def test_eight_threads_at_once_move_nothing_but_their_own_lines(rig: Rig) -> None:
    def press(line: int) -> None:
        expander = rig.new_expander()
        for _ in range(5):
            expander.drive(line, Level.LOW)
            rig.lock.give_way()
            expander.drive(line, Level.HIGH)
            rig.lock.give_way()

    threads = [threading.Thread(target=press, args=(line,)) for line in ALL_LINES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for line in ALL_LINES:
        assert [level for moved, level in rig.edges() if moved == line] == [0, 1] * 5
    assert rig.foreign == []


def test_a_write_that_the_chip_forgets_is_found_by_reading_it_back(rig: Rig) -> None:
    rig.expander.drive(3, Level.HIGH)
    rig.board.inject("lost-write", ["1"])
    with pytest.raises(VerifyMismatch) as caught:
        rig.expander.drive(3, Level.LOW)
    assert (caught.value.register, caught.value.wrote, caught.value.read) == ("output", 0x00, 0x08)
    assert str(caught.value) == "The output register was written 0x00 but reads 0x08."


def test_a_direction_that_somebody_takes_back_at_once_is_a_mismatch(rig: Rig) -> None:
    def interfere(number: int) -> None:
        if rig.writes() and rig.writes()[-1] == "03f7":
            rig.smbus.after_transfer = lambda number: None
            rig.write_as_somebody_else(CONFIGURATION, 0xFF)

    rig.smbus.after_transfer = interfere
    with pytest.raises(VerifyMismatch, match="configuration"):
        rig.expander.drive(3, Level.LOW)


def test_a_line_that_does_not_follow_is_stuck(rig: Rig) -> None:
    rig.board.inject("stuck", ["6", "1"])
    with pytest.raises(LineStuck, match=r"Line 6 was driven low but reads high\."):
        rig.expander.drive(6, Level.LOW)


# Trap 5: the kernel's driver owns the chip.


def test_a_chip_that_the_kernel_owns_is_not_forced_but_explained(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(i2c_addr: int, register: int) -> int:
        raise OSError(errno.EBUSY, "Device or resource busy")

    monkeypatch.setattr(rig.smbus, "read_byte_data", refuse)
    with pytest.raises(BusError, match="gpiochip:LABEL"):
        rig.expander.drive(3, Level.HIGH)
    assert rig.writes() == []


# The board's loss of power.


def test_a_board_that_lost_power_is_noticed_by_the_lines_that_are_no_longer_outputs(rig: Rig) -> None:
    assert rig.expander.power_lost() is False
    rig.expander.drive(3, Level.HIGH)
    assert rig.expander.power_lost() is False
    rig.board.cycle_mains()
    assert rig.expander.power_lost() is True
    assert rig.new_expander().power_lost() is True


def test_a_loss_of_power_is_not_taken_for_a_stranger(rig: Rig) -> None:
    rig.expander.drive(3, Level.HIGH)
    rig.expander.drive(2, Level.HIGH)
    rig.board.cycle_mains()
    assert rig.expander.drive(3, Level.HIGH).foreign == ()


def test_a_loss_of_power_in_the_middle_of_a_press_is_still_noticed_after_the_release(rig: Rig) -> None:
    rig.expander.drive(2, Level.HIGH)
    rig.expander.drive(3, Level.LOW)
    rig.board.cycle_mains()
    rig.expander.drive(3, Level.HIGH)
    assert rig.expander.power_lost() is True


def test_after_a_loss_was_dealt_with_the_next_one_is_noticed_too(rig: Rig) -> None:
    rig.expander.drive(2, Level.HIGH)
    rig.board.cycle_mains()
    rig.expander.drive(3, Level.HIGH)
    rig.expander.forget()
    assert rig.expander.power_lost() is False
    rig.board.cycle_mains()
    assert rig.expander.power_lost() is True


def test_one_line_that_somebody_made_an_input_is_no_loss_of_power(rig: Rig) -> None:
    rig.expander.drive(2, Level.HIGH)
    rig.expander.drive(3, Level.HIGH)
    rig.write_as_somebody_else(CONFIGURATION, 0xFB)
    assert rig.expander.power_lost() is False


# The ledger under stress.


def test_the_ledger_is_written_before_a_direction_changes(rig: Rig) -> None:
    seen: list[int] = []

    def look(number: int) -> None:
        if rig.writes() and not seen:
            entry = rig.ledger.read()
            assert entry is not None
            seen.append(entry.made_outputs)

    rig.smbus.after_transfer = look
    rig.expander.drive(3, Level.LOW)
    assert seen == [0x08]


def test_a_process_that_dies_between_ledger_and_write_is_not_taken_for_a_stranger(rig: Rig) -> None:
    rig.expander.drive(3, Level.HIGH)

    def die(number: int) -> None:
        raise KeyboardInterrupt

    for transfers_until_death in range(1, 8):  # a drive of an output takes seven transfers
        count = rig.smbus.transfers + transfers_until_death
        rig.smbus.after_transfer = lambda number, count=count: die(number) if number == count else None
        with pytest.raises(KeyboardInterrupt):
            rig.expander.drive(3, Level.LOW if transfers_until_death % 2 else Level.HIGH)
        rig.smbus.after_transfer = lambda number: None
        rig.new_expander().drive(5, Level.HIGH)
    assert rig.foreign == []


@pytest.mark.parametrize("releases", [False, True])
@pytest.mark.parametrize("transfers_until_death", range(9))  # as many as the first drive of a cold chip takes
def test_a_process_that_dies_in_the_first_drive_of_a_cold_board_is_no_loss_of_power(
    rig: Rig, transfers_until_death: int, releases: bool
) -> None:
    def die(number: int) -> None:
        if number == transfers_until_death:
            raise KeyboardInterrupt

    rig.smbus.after_transfer = die
    with contextlib.suppress(KeyboardInterrupt):
        if transfers_until_death:
            rig.expander.drive(3, Level.LOW)
    rig.smbus.after_transfer = lambda number: None
    survivor = rig.new_expander()
    if releases:  # as the next start does, before anything else
        survivor.drive(3, Level.HIGH)
    assert survivor.power_lost() is False
    survivor.drive(5, Level.HIGH)
    assert survivor.power_lost() is False
    rig.board.cycle_mains()
    assert survivor.power_lost() is True, "and a real one is noticed afterwards"


def test_a_line_that_a_dead_process_made_an_output_shows_the_next_loss_of_power(rig: Rig) -> None:
    with pytest.MonkeyPatch.context() as dying:
        dying.setattr(rig.expander, "_registers", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rig.expander.drive(3, Level.LOW)
    assert rig.new_expander().power_lost() is False
    rig.board.cycle_mains()
    assert rig.new_expander().power_lost() is True


def test_a_drive_that_was_announced_and_never_made_is_not_taken_for_a_stranger(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.expander.drive(3, Level.HIGH)
    with monkeypatch.context() as dying:
        dying.setattr(rig.smbus, "write_byte_data", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            rig.expander.drive(3, Level.LOW)
    rig.new_expander().drive(5, Level.HIGH)
    assert rig.foreign == []


def test_a_line_is_not_made_an_output_while_the_ledger_cannot_be_written(rig: Rig) -> None:
    with full_disk(), pytest.raises(RecordUnwritable):
        rig.expander.drive(3, Level.HIGH)
    assert rig.writes() == []


def test_a_full_disk_does_not_keep_a_button_pressed(rig: Rig) -> None:
    rig.expander.drive(3, Level.LOW)
    with full_disk():
        rig.expander.drive(3, Level.HIGH)
    assert rig.board.expander.pins[3] == 1


def test_a_damaged_ledger_answers_no_questions_and_stops_no_drive(rig: Rig) -> None:
    rig.expander.drive(3, Level.LOW)
    (rig.data / "lines" / "rig.json").write_text('{"made_outputs": ')
    assert rig.expander.power_lost() is None
    rig.expander.drive(3, Level.HIGH)
    assert rig.board.expander.pins[3] == 1
    assert rig.expander.power_lost() is False


@pytest.mark.parametrize("text", ["[]", '{"made_outputs": 256}', '{"outputs": "8"}', '{"lines": 8}', "null"])
def test_a_ledger_that_we_did_not_write_is_not_understood(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.json").write_text(text)
    assert LineLedger(tmp_path / "b.json").read() is None


def test_a_line_that_the_chip_does_not_have_is_a_mistake_of_the_caller(rig: Rig) -> None:
    with pytest.raises(ValueError, match="lines 0 to 7, not 8"):
        rig.expander.drive(8, Level.LOW)


def test_closing_the_expander_closes_its_bus(rig: Rig) -> None:
    rig.expander.close()
    assert rig.smbus.closed
