"""The sequencer on the simulated board: what the SOMs make of the presses."""

import pytest

from hardware.contracts import Level
from hardware.holds import HoldOwner, HoldStore
from hardware.sequencer import Outcome, Stop, run
from hardware.sequences import Sequence, reset_sequence
from hardware.som import CM4, CM5, PowerState, ResetType
from tests.hardware.rig import Rig

OWNER = HoldOwner("worker", "instance-1", "/nowhere/worker.lock")
FORCE_OFF = reset_sequence(CM5, ResetType.FORCE_OFF, PowerState.ON)
PRESS = reset_sequence(CM5, ResetType.ON, PowerState.OFF)
RESTART = reset_sequence(CM5, ResetType.GRACEFUL_RESTART, PowerState.ON)
HELD_LOW = reset_sequence(CM4, ResetType.FORCE_OFF, PowerState.ON)


def press_on(rig: Rig, sequence: Sequence, slot: int, stop: Stop | None = None) -> Outcome:
    store = HoldStore(rig.data / "holds")
    return run(
        sequence,
        line=slot,
        expander=rig.expander,
        clock=rig.clock,
        stop=stop or Stop(),
        hold=store.line("rig", slot, slot, bus="/dev/i2c-1", expander="0x18", owner=OWNER),
        observed=lambda: PowerState(rig.power(slot)),
    )


def test_a_simulated_cm5_powers_on_by_a_press_from_cold_registers(rig: Rig) -> None:
    press_on(rig, PRESS, 3)
    assert rig.power(3) == "On"
    assert rig.edges() == [(3, 0), (3, 1)]


def test_a_simulated_cm5_is_forced_off_and_latches(rig: Rig) -> None:
    press_on(rig, PRESS, 3)
    outcome = press_on(rig, FORCE_OFF, 3)
    assert rig.power(3) == "Off"
    assert outcome.actual_hold_seconds == pytest.approx(8.0)
    press_on(rig, PRESS, 3)
    assert rig.power(3) == "Off"


def test_a_simulated_cm5_restarts_gracefully(rig: Rig) -> None:
    press_on(rig, PRESS, 3)
    rig.clock.wait(60.0)
    press_on(rig, RESTART, 3)
    assert [entry for entry in rig.simulated.powers(3) if entry in ("On", "Off")] == ["On", "Off", "On"]


def test_a_simulated_cm4_is_held_off_and_released(rig: Rig) -> None:
    press_on(rig, reset_sequence(CM4, ResetType.ON, PowerState.OFF), 2)
    assert rig.power(2) == "On"
    press_on(rig, HELD_LOW, 2)
    assert rig.power(2) == "Off"
    assert rig.expander.read(2) is Level.LOW


def test_the_bus_is_free_while_a_button_is_held(rig: Rig) -> None:
    free: list[Level] = []
    rig.clock.at(4.0, lambda: free.append(rig.new_expander().drive(5, Level.HIGH).level))
    press_on(rig, FORCE_OFF, 3)
    assert free == [Level.HIGH]


def test_a_bus_that_is_dead_for_a_moment_delays_the_release_only(rig: Rig) -> None:
    rig.clock.at(0.5, lambda: rig.board.inject("nack", ["expander", "4"]) and None)
    outcome = press_on(rig, PRESS, 3)
    assert rig.edges() == [(3, 0), (3, 1)]
    assert outcome.steps_done == 3
