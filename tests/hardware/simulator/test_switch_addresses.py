"""The simulated switch learns addresses into the tables that the notes place, and forgets them (jl6108.md 10)."""

import pytest

from hardware.clock import VirtualClock
from hardware.simulator.switch_fdb import bucket
from hardware.simulator.testing import ClockScheduler
from tests.hardware.simulator.recipes import Recipes

AGING, SHADOW, LOOKUP, DESTINATION = 0x10E99C, 0x100458, 0x11299C, 0x11A99C
AGING_CAM, LOOKUP_CAM = 0x11EFF8, 0x11F818
ENABLE, TIME_TO_AGE, FID = 0x1003E0, 0x100410, 10
ME, YOU = 0x0250B6112233, 0x020000000002


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def switch(clock: VirtualClock) -> Recipes:
    switch = Recipes(scheduler=ClockScheduler(clock))
    switch.three_vlans()
    return switch


def aging(switch: Recipes, entry: int) -> int:
    """Read the word as the bus does."""
    return switch.memory.read(AGING + 4 * entry, 1)[0]


def test_an_address_is_learned_at_the_place_its_hash_says(switch: Recipes) -> None:
    switch.send(2, src=ME)
    entry = bucket(FID, ME)
    assert aging(switch, entry) == 5
    assert switch.memory.word(SHADOW + 4 * entry) == 1
    assert switch.memory.entry(LOOKUP + 8 * entry, 2) == FID << 48 | ME
    assert switch.memory.word(DESTINATION + 4 * entry) == 1 | 3 << 1


def test_the_hash_is_the_one_that_was_recorded() -> None:
    assert bucket(0, 2545675215411) == 90


def test_a_frame_to_a_learned_address_goes_there_and_nowhere_else(switch: Recipes) -> None:
    assert switch.send(1, dst=ME) == {2: [], 8: [10]}
    switch.send(2, src=ME)
    assert switch.send(1, dst=ME) == {2: []}
    assert switch.send(8, 10, dst=ME) == {2: []}
    assert switch.send(2, dst=ME) == {}, "not back to where it came from"


def test_each_vlan_learns_for_itself_unless_they_share_a_gid(switch: Recipes) -> None:
    switch.send(2, src=ME)
    assert switch.send(3, dst=ME) == {4: [], 8: [20]}
    switch.vlan(20, 3, 4, 8, gid=10)
    assert switch.send(3, dst=ME) == {}, "known to be at a port outside of VLAN 20"


def test_a_device_that_moves_is_found_again(switch: Recipes) -> None:
    switch.send(2, src=ME)
    switch.send(8, 10, src=ME)
    assert switch.send(1, dst=ME) == {8: [10]}


def test_a_static_address_stays_where_it_was_put_unless_the_port_may_take_it(switch: Recipes) -> None:
    switch.send(2, src=ME)
    switch.memory.write(AGING + 4 * bucket(FID, ME), [7])
    switch.send(8, 10, src=ME)
    assert switch.send(1, dst=ME) == {2: []}
    switch.memory.write(0x11F3A0, [1 << 9])
    switch.send(8, 10, src=ME)
    assert switch.send(1, dst=ME) == {8: [10]}


def test_a_full_bucket_spills_into_the_collision_slots(switch: Recipes) -> None:
    row = bucket(FID, ME)
    addresses = [ME, *[mac for mac in range(0x020000000000, 0x020000004000) if bucket(FID, mac) == row][:6]]
    for mac in addresses:
        switch.send(2, src=mac)
    assert [aging(switch, row + 1024 * way) for way in range(4)] == [5] * 4
    assert [switch.memory.word(AGING_CAM + 4 * slot) for slot in range(4)] == [5, 5, 5, 0]
    assert switch.memory.entry(LOOKUP_CAM + 16, 2) == FID << 48 | addresses[6]
    assert all(switch.send(1, dst=mac) == {2: []} for mac in addresses)


def test_nothing_is_learned_where_learning_is_off(switch: Recipes) -> None:
    entry = bucket(FID, ME)
    switch.memory.write(ENABLE, [2])
    switch.send(2, src=ME)
    assert aging(switch, entry) == 0
    switch.memory.write(ENABLE, [3])
    switch.memory.write(0x11F3B0 + 16 * 3, [switch.memory.word(0x11F3B0 + 16 * 3) & ~1])
    switch.send(2, src=ME)
    assert aging(switch, entry) == 0


def test_a_group_address_is_no_source(switch: Recipes) -> None:
    switch.send(2, src=ME | 1 << 40)
    assert aging(switch, bucket(FID, ME | 1 << 40)) == 0


def test_addresses_are_forgotten_in_time_and_static_ones_are_not(switch: Recipes, clock: VirtualClock) -> None:
    switch.send(2, src=ME)
    switch.send(2, src=YOU)
    switch.memory.write(AGING + 4 * bucket(FID, YOU), [7])
    clock.wait(299)
    assert switch.send(1, dst=ME) == {2: []}, "300 s: what the reset image says, times the SDK's 3/2"
    clock.wait(2)
    assert aging(switch, bucket(FID, ME)) == 0
    assert switch.memory.word(SHADOW + 4 * bucket(FID, ME)) == 0
    assert switch.send(1, dst=YOU) == {2: []}


def test_an_address_that_is_heard_again_stays(switch: Recipes, clock: VirtualClock) -> None:
    switch.send(2, src=ME)
    clock.wait(200)
    switch.send(2, src=ME)
    clock.wait(200)
    assert switch.send(1, dst=ME) == {2: []}


def test_without_ageing_nothing_is_forgotten(switch: Recipes, clock: VirtualClock) -> None:
    switch.memory.write(ENABLE, [1])
    switch.send(2, src=ME)
    clock.wait(10_000)
    assert switch.send(1, dst=ME) == {2: []}


def test_a_short_ageing_time_flushes_what_was_learned(switch: Recipes, clock: VirtualClock) -> None:
    """The fast flush of section 10: shortest time, a few milliseconds, the old time again."""
    switch.send(2, src=ME)
    switch.send(2, src=YOU)
    switch.memory.write(AGING + 4 * bucket(FID, YOU), [7])
    for words in ([1, 0], [0x30D40, 3]):
        switch.memory.write(ENABLE, [1])
        switch.memory.write(TIME_TO_AGE, words)
        switch.memory.write(ENABLE, [3])
        clock.wait(0.005)
    assert aging(switch, bucket(FID, ME)) == 0
    assert aging(switch, bucket(FID, YOU)) == 7


def test_an_entry_that_was_deleted_over_the_bus_is_gone(switch: Recipes) -> None:
    switch.send(2, src=ME)
    switch.memory.write(AGING + 4 * bucket(FID, ME), [0])
    assert switch.send(1, dst=ME) == {2: [], 8: [10]}


def test_frames_to_an_address_can_be_dropped_or_sent_to_several(switch: Recipes) -> None:
    switch.send(2, src=ME)
    entry = bucket(FID, ME)
    switch.memory.write(DESTINATION + 4 * entry, [1 << 7 | 1 | 3 << 1])
    assert switch.send(1, dst=ME) == {}
    switch.memory.write(0x11EEF8 + 4 * 5, [1 << 3 | 1 << 9])
    switch.memory.write(DESTINATION + 4 * entry, [5 << 1])
    assert switch.send(1, dst=ME) == {2: [], 8: [10]}
    assert switch.send(8, 10, dst=ME) == {2: []}


def test_a_port_can_keep_frames_to_unknown_addresses(switch: Recipes) -> None:
    source = 0x11F3B0 + 16 * 2
    switch.memory.write(source, [switch.memory.word(source) | 2])
    assert switch.send(1, dst=ME) == {}
    assert switch.send(1) == {2: [], 8: [10]}


def test_a_link_that_goes_down_takes_the_ports_addresses_along_unless_told_not_to(switch: Recipes) -> None:
    for mailbox, left in ((0x0FFE0000, 0), (0x0FFE0000 | 1 << 13, 5)):
        switch.memory.write(0x200070, [mailbox])
        switch.send(2, src=ME)
        switch.chip.set_partner(2, 0)
        assert aging(switch, bucket(FID, ME)) == left
        switch.chip.set_partner(2, 1000)
