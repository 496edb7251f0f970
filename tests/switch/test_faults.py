"""Whatever fails at whatever write: the switch ends as it was before, or every register that differs is named.

Held against the chip's memory itself, all tables of it, and not against what the driver reads.
"""

import pytest

from hardware.jl6108 import tables
from hardware.jl6108.isolation import ISOLATION
from hardware.jl6108.numbering import ALL_PORTS, core_port
from switch.services import applying, changes, restoring
from tests.switch import rig
from tests.switch.rig import HOME, LAB, TAKING_OVER, State, Switch

#: Fault and where it strikes, counted from the first write on: frames, accesses or words of it.
FOREVER = ("switch-nack", "switch-stuck-busy")
ONCE = (("switch-nack", 8), ("switch-stuck-busy", 1), ("switch-corrupts-reads", 1), ("switch-corrupts-writes", 1))
POSITIONS = {"switch-nack": 900, "switch-stuck-busy": 60, "switch-corrupts-reads": 120, "switch-corrupts-writes": 18}


def soak(place: int):  # type: ignore[no-untyped-def]
    return pytest.param(place, marks=pytest.mark.soak)


def image(switch: Switch) -> dict[int, int]:
    """The words of every table that a change touches, by address."""
    entries = [(tables.VLAN, vid) for vid in range(4096)]
    for port in ALL_PORTS:
        core = core_port(port)
        entries += [(one, core) for one in (tables.SOURCE_PORT, tables.EGRESS_PORT, tables.FRAME_FILTER, ISOLATION)]
    addresses = (one.at(index) + 4 * word for one, index in entries for word in range(one.words))
    return {address: switch.model.memory.word(address) for address in addresses}


def strike(switch: Switch, monkeypatch, name: str, after: int, *times: int) -> None:
    """Let the fault strike so far behind the first write of the next apply."""
    real = applying.apply

    def begun(*arguments, **more):
        monkeypatch.setattr(applying, "apply", real)
        switch.faults(name, after, *times)
        return real(*arguments, **more)

    monkeypatch.setattr(applying, "apply", begun)


def ended(switch: Switch, monkeypatch, engineer, name: str, after: int, *times: int):
    """A change that is struck by it, at its end."""
    change = rig.commit(LAB, engineer, revert_after_seconds=30)
    strike(switch, monkeypatch, name, after, *times)
    change = rig.run(change)
    switch.clear_faults()
    switch.clock.wait(3)  # a firmware that starts writes once more what it leaves behind
    return change


def each(fault: str, count: int) -> list[int]:
    """So many places, spread over the whole of it, its first and last ones among them."""
    last = POSITIONS[fault]
    return sorted({round(number * last / (count - 1)) for number in range(count)})


@pytest.mark.parametrize(("fault", "times"), ONCE)
def test_a_fault_that_passes_ends_in_what_was_before(home, engineer, monkeypatch, fault, times):
    _passes(home, engineer, monkeypatch, fault, times, 5)


@pytest.mark.soak
@pytest.mark.parametrize(("fault", "times"), ONCE)
def test_a_fault_that_passes_at_any_place_ends_in_what_was_before(home, engineer, monkeypatch, fault, times):
    _passes(home, engineer, monkeypatch, fault, times, POSITIONS[fault] + 1 if POSITIONS[fault] < 200 else 200)


def _passes(home, engineer, monkeypatch, fault, times, count):
    before = image(home)
    for after in each(fault, count):
        change = ended(home, monkeypatch, engineer, fault, after, times)
        assert change.state == State.ROLLED_BACK, (after, change.operation.message)
        assert image(home) == before, after


@pytest.mark.parametrize("fault", FOREVER)
def test_a_fault_that_stays_is_never_called_undone(home, engineer, monkeypatch, fault):
    before = image(home)
    for after in each(fault, 3)[:-1]:
        change = ended(home, monkeypatch, engineer, fault, after)
        assert change.state == State.ROLLBACK_FAILED, after
        assert change.operation.code == "rollback-failed"
        changes.roll_back(rig.again(change), engineer)
        restoring.undo_left_over()
        assert rig.again(change).state == State.ROLLED_BACK
        assert image(home) == before, after


@pytest.mark.parametrize("after", [*map(soak, (3, 12)), 0, 7])
def test_registers_that_cannot_be_put_back_are_named_and_no_others(home, engineer, monkeypatch, after):
    before = image(home)
    change = ended(home, monkeypatch, engineer, "switch-corrupts-writes", after)
    assert change.state == State.ROLLBACK_FAILED
    found = image(home)
    differ = {f"0x{at:06X}": (before[at], found[at]) for at in before if before[at] != found[at]}
    assert {one["address"]: (one["wanted"], one["found"]) for one in change.differences} == differ
    assert differ


@pytest.mark.parametrize("after", [*map(soak, (0, 2, 9, 19, 25)), 5, 14])
def test_a_chip_that_resets_at_a_write_is_set_up_as_before(home, engineer, monkeypatch, after):
    before = image(home)
    change = ended(home, monkeypatch, engineer, "switch-resets", after, 1)
    assert change.state == State.ROLLED_BACK
    assert image(home) == before


@pytest.mark.parametrize("bursts", [*map(soak, (2, 500)), 50])
def test_a_chip_that_resets_while_it_is_taken_over_is_not_called_closed(
    switch, me, board, administrator, monkeypatch, bursts
):
    """Between two bursts, each of which is read back: of what was closed before nothing is closed any more."""
    before = image(switch)
    held, change = _taken_over(switch, administrator, monkeypatch, bursts)
    assert (held, change.state) == ([], State.ROLLED_BACK)
    switch.clock.wait(3)
    assert image(switch) == before


@pytest.mark.soak
def test_a_chip_that_resets_before_anything_of_it_was_taken_over_has_lost_nothing(
    switch, me, board, administrator, monkeypatch
):
    before = image(switch)
    held, change = _taken_over(switch, administrator, monkeypatch, 1)
    assert (held, change.state) == ([True], State.ROLLED_BACK), "it waited, and nobody confirmed it"
    assert image(switch) == before


def _taken_over(switch, administrator, monkeypatch, bursts):
    """What the switch was seen to hold while a change waited that takes it over, and the change; it resets before so
    many of its bursts."""
    rig.know(switch)
    change = rig.commit(HOME, administrator, TAKING_OVER)
    write_words, write_vlans, written = switch.chip.write_words, switch.chip.write_vlans, []

    def write(address, words):
        written.append(address)
        if len(written) == bursts:
            switch.reset_line()
        write_words(address, words)

    def write_slowly(entries, *arguments, **more):
        write_vlans(entries, *arguments, **more)
        switch.clock.wait(2)  # which 4,096 entries take at 400 kHz: its firmware is up again

    monkeypatch.setattr(switch.chip, "write_words", write)
    monkeypatch.setattr(switch.chip, "write_vlans", write_slowly)
    held = []
    rig.when_awaiting(switch, change, lambda: held.append(switch.holds(HOME)), seconds=0.1)
    return held, rig.run(change)
