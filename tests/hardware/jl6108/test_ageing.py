"""How long addresses are remembered, forgetting them at once, and what a writer that died in it leaves behind."""

import pytest

from hardware.jl6108 import registers, tables
from hardware.jl6108.isolation import only_uplink
from hardware.switch_errors import RegistersDiffer
from tests.hardware.jl6108.conftest import Bench


class Died(BaseException):
    """Nothing of a process that is killed gets to run any more."""


def test_ageing_is_hurried_and_put_back(bench: Bench) -> None:
    seen: list[int] = []
    before = bench.value(tables.TIME_TO_AGE)

    def note(address: int, word: int) -> int:
        if address == tables.LEARNING.at() and word == 3:
            seen.append(bench.value(tables.TIME_TO_AGE))
        return word

    bench.bus.stores = note
    start = bench.clock.monotonic()
    bench.chip.flush_learned()
    assert seen == [1, before]
    assert bench.clock.monotonic() - start == pytest.approx(0.01)
    assert bench.value(tables.LEARNING) == 3


def test_ageing_is_put_back_though_the_wait_was_broken_off(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = bench.value(tables.TIME_TO_AGE)

    def end(seconds: float) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.clock, "wait", end)
    with pytest.raises(KeyboardInterrupt):
        bench.chip.flush_learned()
    assert bench.value(tables.TIME_TO_AGE) == before
    assert bench.value(tables.LEARNING) == 3


def test_the_ageing_time_is_counted_in_two_thirds(bench: Bench) -> None:
    assert bench.chip.read_ageing_seconds() == 300
    bench.chip.set_ageing_seconds(60)
    assert bench.value(tables.TIME_TO_AGE) == 3 << 32 | 40_000
    assert bench.chip.read_ageing_seconds() == 60
    bench.hold(tables.TIME_TO_AGE, 0, 4 << 32 | 1000)
    assert bench.chip.read_ageing_seconds() == pytest.approx(15)
    bench.chip.set_ageing_seconds(60)
    assert bench.value(tables.LEARNING) == 3


@pytest.mark.parametrize("seconds", [0, 0.001, -1, 2**32])
def test_a_time_that_the_chip_cannot_count_is_refused(bench: Bench, seconds: float) -> None:
    before = bench.value(tables.TIME_TO_AGE)
    with pytest.raises(ValueError, match=r"0\.002 s at least|holds 0 to"):
        bench.chip.set_ageing_seconds(seconds)
    assert bench.value(tables.TIME_TO_AGE) == before


@pytest.mark.parametrize("register", [tables.TIME_TO_AGE, tables.LEARNING])
def test_an_ageing_time_that_did_not_take_is_told(bench: Bench, register: object) -> None:
    def forget(address: int, word: int) -> int:
        # The last write of the flush is what it leaves.
        return word & ~2 if address == register.at() else word  # type: ignore[attr-defined]

    bench.hold(tables.TIME_TO_AGE, 0, 3 << 32 | 30)
    bench.bus.stores = forget
    with pytest.raises(RegistersDiffer) as told:
        bench.chip.flush_learned()
    assert {one.address for one in told.value.differences} == {register.at()}  # type: ignore[attr-defined]


# A writer that was killed


def kill_at(bench: Bench, number: int) -> None:
    """The process ends before that transfer, and sends nothing more."""

    def die(transfer: int) -> None:
        if transfer >= number:
            raise Died

    bench.bus.before_transfer = die


def revive(bench: Bench) -> None:
    bench.bus.before_transfer = lambda transfer: None
    bench.bus.wire.clear()


def test_killed_anywhere_in_a_flush_the_next_writer_puts_the_ageing_right(bench: Bench) -> None:
    usual, number, left = bench.value(tables.TIME_TO_AGE), 0, set()
    while True:
        number += 1
        bench.bus.wire.clear()
        kill_at(bench, number)
        try:
            bench.chip.flush_learned()
        except Died:
            left.add((bench.value(tables.TIME_TO_AGE) == usual, bench.value(tables.LEARNING)))
            revive(bench)
            bench.bus._pushed.clear()  # what stays in the bridge is test_access's matter
            bench.chip.bring_into_step()
            assert bench.value(tables.TIME_TO_AGE) == usual, number
            assert bench.value(tables.LEARNING) == 3, number
            continue
        break
    assert number > 100
    assert left == {(True, 3), (True, 1), (False, 1), (False, 3)}


def test_a_flush_after_one_that_was_killed_does_not_take_its_haste_for_the_usual_time(bench: Bench) -> None:
    usual = bench.value(tables.TIME_TO_AGE)
    bench.hold(tables.TIME_TO_AGE, 0, 1)
    bench.chip.flush_learned()
    assert bench.value(tables.TIME_TO_AGE) == usual


def test_killed_anywhere_while_it_isolates_the_firmware_gets_its_registers_back(bench: Bench) -> None:
    before, number, was_left = bench.value(registers.HANDS_OFF), 0, 0
    while True:
        number += 1
        bench.bus.wire.clear()
        kill_at(bench, number)
        try:
            bench.chip.set_isolation(only_uplink(8))
        except Died:
            was_left += bench.value(registers.HANDS_OFF) != before
            revive(bench)
            bench.bus._pushed.clear()
            bench.chip.bring_into_step()
            assert bench.value(registers.HANDS_OFF) == before, number
            continue
        break
    assert was_left > 50


def test_what_ports_and_others_asked_of_the_firmware_stays(bench: Bench) -> None:
    asked = 0x0FFE0000 | 1 << 3 | 1 << 12
    bench.hold(registers.HANDS_OFF, 0, asked | registers.ISOLATION_JOB)
    bench.chip.bring_into_step()
    assert bench.value(registers.HANDS_OFF) == asked


def test_a_mailbox_that_cannot_be_cleared_is_told(bench: Bench) -> None:
    bench.hold(registers.HANDS_OFF, 0, registers.ISOLATION_JOB)
    bench.bus.stores = lambda address, word: None if address == registers.HANDS_OFF.at() else word
    with pytest.raises(RegistersDiffer, match="TOP_FW_RESERVED14"):
        bench.chip.bring_into_step()


def test_nothing_is_changed_where_nothing_was_left(bench: Bench) -> None:
    before = dict(bench.bus.words)
    bench.chip.bring_into_step()
    assert bench.bus.words | {registers.SCRATCH.at(): 0} == before | {registers.SCRATCH.at(): 0}
    assert set(bench.bus.written) == {registers.SCRATCH.at()}
    assert bench.bus.transfers == 70
