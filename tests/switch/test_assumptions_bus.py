"""What writing and reading back rest on: the assumptions of the model that are about its bus, its words and resets."""

from pathlib import Path

import pytest

from hardware.clock import VirtualClock
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.recipes import ChipVlans, translate
from hardware.jl6108.setups import translate_setup
from hardware.jl6108.transport import I2cBridge, WireMode
from hardware.simulator import net
from hardware.simulator.switch_assumptions import ASSUMPTIONS
from hardware.simulator.testing import InProcessBoard
from hardware.switch_errors import RegistersDiffer
from hardware.switch_setup import FlowControl, Mirror, PortSetup, SwitchSetup
from hardware.vlan import FRONT_PORTS, VlanTable
from switch.services import applying
from tests.hardware.jl6108.conftest import PoliteLock
from tests.switch.shortcuts import DirectBus, close_all
from tests.switch.test_assumptions import ALTERNATIVES, PLANS, ways


class Board:
    """A simulated board whose switch is closed, and the driver on its bus."""

    def __init__(self, directory: Path, name: str, value: str) -> None:
        self.clock = VirtualClock()
        self.board = InProcessBoard(self.clock, assumptions={name: value})
        self.model = self.board.board.switch
        for port in FRONT_PORTS:
            self.model.set_partner(port, 1000)
        close_all(self.model)
        bridge = I2cBridge(DirectBus(self.board), 0x5C, PoliteLock(directory / "bus.lock"), WireMode.MSB)
        self.chip = Jl6108(bridge, self.clock)
        self.held = applying.read(self.chip, ChipVlans({}, {})).chip

    def apply(self, wanted: SwitchSetup | VlanTable) -> ChipVlans:
        setup = wanted if isinstance(wanted, SwitchSetup) else SwitchSetup(wanted)
        before, self.held = self.held, translate_setup(setup, self.held)
        applying.apply(self.chip, before, self.held, forgets=True)
        return self.held

    def reset(self) -> None:
        self.model.set_reset_line(0)
        self.model.set_reset_line(1)
        self.clock.wait(10)


WHOLE = SwitchSetup(
    PLANS["trunk"],
    {1: PortSetup(flow_control=FlowControl.ON), 2: PortSetup(mbps=100), 3: PortSetup(enabled=False)},
    frozenset({(1, 2), (3, 4)}),
    Mirror(6, frozenset({1}), frozenset({2})),
)


@pytest.mark.parametrize(("name", "value"), [one for one in ALTERNATIVES if one[0] != "burst-address"])
def test_whatever_is_otherwise_a_plan_is_written_and_read_back(tmp_path: Path, name: str, value: str) -> None:
    board = Board(tmp_path, name, value)
    for setup in (WHOLE, SwitchSetup(PLANS["access"])):
        assert applying.compare(board.chip, board.apply(setup), {1, 10, 20, 30}) == ()
    board.clock.wait(10)
    assert all(link.up for link in board.chip.read_links())


def test_a_bus_that_stays_at_the_first_word_of_a_burst_is_found_out_and_nothing_is_opened(tmp_path: Path) -> None:
    board = Board(tmp_path, "burst-address", "stays")
    with pytest.raises(RegistersDiffer):
        board.apply(PLANS["access"])
    assert not ways(board.model, [(), (net.Tag(10),)])


def test_a_scratch_register_that_keeps_nothing_keeps_nobody_from_the_way_back(tmp_path: Path) -> None:
    board = Board(tmp_path, "scratch", "ignores")
    before = board.held
    board.board.board.faults.inject("switch-nack", ["7", "1"])
    board.apply(PLANS["access"])
    board.chip.bring_into_step()
    applying.apply(board.chip, board.held, before)
    assert applying.compare(board.chip, before, {1, 10, 20}) == ()


@pytest.mark.parametrize("frame", range(1, 11))
@pytest.mark.parametrize("value", ASSUMPTIONS["left-over-words"].values)
def test_words_of_a_broken_off_write_never_land_elsewhere(tmp_path: Path, value: str, frame: int) -> None:
    board = Board(tmp_path, "left-over-words", value)
    wanted = translate(PLANS["access"], board.held.ports)
    board.board.board.faults.inject("switch-nack", [str(frame - 1), "1"])
    for vid in (10, 20):
        board.chip.write_vlan(vid, wanted.entry(vid))
    held = {vid: entry for vid, entry in board.chip.read_vlans(range(40)).items() if entry.value}
    assert held == {vid: wanted.entry(vid) for vid in (10, 20)}


def test_a_table_that_a_reset_closes_is_not_seen_as_a_reset_but_as_what_it_lacks(tmp_path: Path) -> None:
    """Nothing passes then, and the pages say that the switch holds something else than the last revision."""
    for value, was_reset in (("open", True), ("closed", False)):
        board = Board(tmp_path, "table-reset", value)
        wanted = board.apply(PLANS["trunk"])
        board.reset()
        reading = applying.read(board.chip, wanted)
        assert reading.was_reset is was_reset
        assert reading.chip.ports != wanted.ports
        assert bool(reading.chip.entries) is was_reset
        assert bool(ways(board.model, [(), (net.Tag(10),)])) is was_reset


def test_firmware_that_writes_its_own_vlans_opens_everything_and_is_found_out(tmp_path: Path) -> None:
    board = Board(tmp_path, "web-firmware", "reapplies")
    wanted = board.apply(PLANS["access"])
    before = ways(board.model, [()])
    board.model.set_partner(1, 0)
    board.model.set_partner(1, 1000)
    assert set(ways(board.model, [()])) - set(before)
    found = {one.name.partition("[")[0] for one in applying.compare(board.chip, wanted, wanted.entries)}
    assert found == {"SWCORE_SOURCE_PORT_TABLE", "SWCORE_EGRESS_PORT_CONFIGURATION", "SWCORE_VLAN_TABLE"}


def test_a_counter_that_does_not_clear_its_own_order_counts_on(tmp_path: Path) -> None:
    board = Board(tmp_path, "mib-clear", "stays")
    board.chip.clear_counters(1)
    net.forward(board.model, 1, net.tagged())
    assert board.chip.read_counters(1).rx_packets == 1
