"""Plans carried out on the switch that forwards frames: what gets through after each single write."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hardware.clock import VirtualClock
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.numbering import ALL_PORTS
from hardware.jl6108.setups import translate_setup
from hardware.jl6108.transport import I2cBridge, WireMode
from hardware.simulator import net
from hardware.simulator.testing import InProcessBoard
from hardware.switch_setup import SwitchSetup
from hardware.vlan import CPU_PORT, FRONT_PORTS, Vlan, VlanTable
from switch.services import applying
from tests.hardware.jl6108.conftest import PoliteLock
from tests.switch.shortcuts import DirectBus, close_all
from tests.switch.tables import CONTROLLER, FOREIGN_VID, UPLINK, VIDS, T, U, setup_pairs

QUICK = settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
LONG = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
FRAMES = ((), (FOREIGN_VID,), *((vid,) for vid in VIDS))
Ways = set[tuple[int, tuple[int, ...], int, tuple[int, ...]]]


class Forwarding:
    """A closed switch with the driver on it."""

    def __init__(self, directory, **assumptions: str) -> None:  # type: ignore[no-untyped-def]
        self.clock = VirtualClock()
        board = InProcessBoard(self.clock, assumptions={key.replace("_", "-"): say for key, say in assumptions.items()})
        self.model = board.board.switch
        for port in FRONT_PORTS:
            self.model.set_partner(port, 1000)
        close_all(self.model)
        bridge = I2cBridge(DirectBus(board), 0x5C, PoliteLock(directory / "bus.lock"), WireMode.MSB)
        self.chip = Jl6108(bridge, self.clock)
        self.bridge = bridge
        self.held = applying.whole(self.chip, {}, self.chip.read_all_port_tables())

    def apply(self, table: SwitchSetup | VlanTable, after_each: Callable[[], None] = lambda: None) -> None:
        """Take it to a table or setup, calling `after_each` write, and wait for its links."""
        wanted = translate_setup(table if isinstance(table, SwitchSetup) else SwitchSetup(table), self.held)
        write = self.bridge._write_once

        def watched(address, words, order):  # type: ignore[no-untyped-def]
            write(address, words, order)
            after_each()

        self.bridge._write_once = watched  # type: ignore[method-assign]
        try:
            applying.apply(self.chip, self.held, wanted)
        finally:
            del self.bridge._write_once
        self.held = wanted
        self.clock.wait(5)

    def ways(self) -> Ways:
        """In here with these tags, out there with those."""
        return {
            (port, frame, out, tuple(tag.vid for tag in left.tags))
            for port in ALL_PORTS
            for frame in (FRAMES if port != CPU_PORT else [()])
            for out, left in net.forward(self.model, port, net.tagged(*frame))
        }


def check(directory, pair: tuple[SwitchSetup | VlanTable, SwitchSetup | VlanTable]) -> None:  # type: ignore[no-untyped-def]
    before, after = pair
    switch = Forwarding(directory)
    switch.apply(before)
    start, seen = switch.ways(), []
    switch.apply(after, lambda: seen.append(switch.ways()))
    end = switch.ways()
    for state in seen:
        assert state <= start | end


@QUICK
@given(pair=setup_pairs())
def test_no_write_of_an_apply_lets_a_frame_through_that_neither_setup_does(tmp_path, pair):
    check(tmp_path, pair)


@pytest.mark.soak
@LONG
@given(pair=setup_pairs())
def test_no_write_of_many_applies_lets_a_frame_through(tmp_path, pair):
    check(tmp_path, pair)


HOME = VlanTable((Vlan(1, "", {CONTROLLER: U, UPLINK: U}), Vlan(10, "", {4: U, 5: U})), 1)
MOVED = VlanTable((Vlan(1, "", {CONTROLLER: U, UPLINK: U}), Vlan(10, "", {4: U}), Vlan(20, "", {5: U, 3: U})), 1)


TRUNK = VlanTable((Vlan(1, "", {CONTROLLER: U, UPLINK: U}), Vlan(10, "", {4: U, 5: T})), 1)


def opened_on_the_way(directory, **assumptions: str) -> Ways:  # type: ignore[no-untyped-def]
    """What a frame can do while slot 3 turns from a trunk into an access port, and neither before nor after."""
    switch = Forwarding(directory, **assumptions)
    switch.apply(TRUNK)
    start, seen = switch.ways(), []
    switch.apply(HOME, lambda: seen.append(switch.ways()))
    return {way for state in seen for way in state} - start - switch.ways()


def test_that_nothing_is_opened_rests_on_the_member_check_where_a_frame_comes_in(tmp_path):
    """Section 5.5 only infers it. Without it, a port of which half is written reaches VLANs that it is not in."""
    assert opened_on_the_way(tmp_path) == set()
    opened = opened_on_the_way(tmp_path, member_check="absent")
    assert {port for port, *_ in opened} == {5}


@QUICK
@given(data=st.data())
def test_the_portal_is_reached_in_every_state_of_a_plan_that_leaves_its_ports_alone(tmp_path, data):
    port = data.draw(st.sampled_from([1, 2, 3, 4, 5, 6]))
    vid = data.draw(st.sampled_from([1, 10, 20]))
    members = {one.vid: dict(one.members) for one in MOVED.vlans}
    for others in members.values():
        others.pop(port, None)
    members[vid][port] = U
    after = VlanTable(tuple(Vlan(one, "", members[one]) for one in members), 1)
    switch = Forwarding(tmp_path)
    switch.apply(MOVED)
    lost = []
    switch.apply(
        after, lambda: lost.append(not any(way[0] == UPLINK and way[2] == CONTROLLER for way in switch.ways()))
    )
    assert not any(lost)
