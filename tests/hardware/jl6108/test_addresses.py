"""The address table and the counters."""

import threading
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware.errors import BusError, Stopped
from hardware.jl6108 import tables
from hardware.jl6108.addresses import bucket_of
from hardware.jl6108.registers import MIB, MIB_CLEAR
from hardware.switch_errors import AddressTableFull, RegistersDiffer
from hardware.vlan import CPU_PORT
from tests.hardware.jl6108.conftest import Bench

LEARNED, FIXED = 0b101, 0b111


def hold_address(bench: Bench, mac: int, fid: int, core: int, *, age: int = LEARNED, way: int = 0) -> int:
    place = bucket_of(mac, fid) + 1024 * way
    bench.hold(tables.AGE, place, age)
    bench.hold(tables.AGE_SHADOW, place, 1)
    bench.hold(tables.LOOKUP, place, fid << 48 | mac)
    bench.hold(tables.DESTINATION, place, core << 1 | 1)
    return place


def same_bucket(mac: int, fid: int, count: int) -> list[int]:
    """Other addresses of the same bucket: what is turned over in one slice is turned over in the next."""
    return [mac ^ (number | number << 10) for number in range(1, count + 1)]


def text(mac: int) -> str:
    return mac.to_bytes(6, "big").hex(":")


MAC = 0x0250B6112233


def test_the_bucket_of_the_vectors_address_is_found() -> None:
    assert bucket_of(MAC, 0) == 90
    assert {bucket_of(mac, 7) for mac in same_bucket(MAC, 7, 20)} == {bucket_of(MAC, 7)}


@settings(derandomize=True, deadline=None)
@given(st.integers(0, (1 << 48) - 1), st.integers(0, 4095), st.integers(0, 59))
def test_every_bit_of_mac_and_fid_counts_in_the_bucket(mac: int, fid: int, bit: int) -> None:
    key = fid << 48 | mac
    other = key ^ 1 << bit
    assert bucket_of(mac, fid) ^ bucket_of(other & (1 << 48) - 1, other >> 48) == 1 << bit % 10


def test_the_bit_that_frames_set_is_no_difference_and_every_other_is(bench: Bench) -> None:
    age = tables.AGE.at(bucket_of(MAC, 10))
    bench.bus.stores = lambda address, word: word & ~0b100 if address == age else word
    assert not (bench.chip.fix_address(text(MAC), 10, {3}) and bench.bus.words[age] & 0b100)
    bench.bus.stores = lambda address, word: word & ~0b010 if address == age else word
    with pytest.raises(RegistersDiffer, match="AGING_TABLE"):
        bench.chip.fix_address(text(MAC), 10, {4})


def test_what_the_chip_learned_is_read_with_its_port(bench: Bench) -> None:
    hold_address(bench, MAC, 10, core=4)
    hold_address(bench, MAC, 20, core=10, age=0b001, way=3)
    first, second = sorted(bench.chip.read_addresses(), key=lambda address: address.fid)
    assert (first.mac, first.fid, first.ports) == ("02:50:b6:11:22:33", 10, {3})
    assert (first.fixed, first.seen, first.drops) == (False, True, False)
    assert (second.ports, second.seen) == ({CPU_PORT}, False)


def test_addresses_of_one_port_alone_are_read(bench: Bench) -> None:
    for number in range(10):
        hold_address(bench, MAC + number, 10, core=2 + number % 5)
    assert {address.mac for address in bench.chip.read_addresses(3)} == {text(MAC + 2), text(MAC + 7)}


def test_an_entry_that_is_not_valid_is_no_address(bench: Bench) -> None:
    hold_address(bench, MAC, 10, core=4, age=0b110)
    assert bench.chip.read_addresses() == ()
    assert bench.chip.find_address(text(MAC), 10) is None


def test_a_fixed_address_is_valid_only_once_all_of_it_is_written(bench: Bench) -> None:
    hold_address(bench, MAC, 10, core=9)
    order: list[str] = []

    def note(address: int, word: int) -> int:
        names = {tables.AGE: "age", tables.AGE_SHADOW: "shadow", tables.LOOKUP: "lookup", tables.DESTINATION: "to"}
        for register, name in names.items():
            if register.at() <= address < register.at() + 4 * register.words * register.count:
                order.append(f"{name} {word}" if name in ("age", "shadow") else name)
        return word

    bench.bus.stores = note
    address = bench.chip.fix_address(text(MAC), 10, {3})
    assert order == ["age 0", "shadow 0", "lookup", "lookup", "to", "shadow 1", "age 7"]
    assert address == bench.chip.find_address(text(MAC), 10)
    assert (address.ports, address.fixed) == ({3}, True)


def test_a_free_place_is_taken_before_that_of_a_learned_address(bench: Bench) -> None:
    first, second = same_bucket(MAC, 10, 2)
    hold_address(bench, first, 10, core=4, way=0)
    hold_address(bench, second, 10, core=4, age=FIXED, way=1)
    assert bench.chip.fix_address(text(MAC), 10, {3}).place == bucket_of(MAC, 10) + 2048
    assert len(bench.chip.read_addresses()) == 3


def test_a_learned_address_makes_room_where_nothing_is_free(bench: Bench) -> None:
    for way, mac in enumerate(same_bucket(MAC, 10, 4)):
        hold_address(bench, mac, 10, core=4, age=LEARNED if way == 2 else FIXED, way=way)
    assert bench.chip.fix_address(text(MAC), 10, {3}).place == bucket_of(MAC, 10) + 2048
    assert len(bench.chip.read_addresses()) == 4


def test_a_full_bucket_goes_on_in_the_slots_and_these_end_too(bench: Bench) -> None:
    macs = [MAC, *same_bucket(MAC, 10, 20)]
    places = [bench.chip.fix_address(text(mac), 10, {1}).place for mac in macs[:20]]
    assert places[4:] == list(range(4096, 4112))
    assert {address.mac for address in bench.chip.read_addresses()} == {text(mac) for mac in macs[:20]}
    with pytest.raises(AddressTableFull, match=r"no room for 02:50:b6"):
        bench.chip.fix_address(text(macs[20]), 10, {1})
    assert bench.chip.remove_address(text(macs[15]), 10)
    assert bench.chip.fix_address(text(macs[20]), 10, {1}).place == places[15]


def test_removing_an_address_leaves_its_neighbours_in_the_bucket(bench: Bench) -> None:
    (other,) = same_bucket(MAC, 10, 1)
    hold_address(bench, MAC, 10, core=4, way=0)
    hold_address(bench, other, 10, core=4, way=1)
    assert bench.chip.remove_address(text(MAC), 10)
    assert not bench.chip.remove_address(text(MAC), 10)
    assert [address.mac for address in bench.chip.read_addresses()] == [text(other)]


def test_a_group_address_leads_to_several_ports_and_groups_are_shared(bench: Bench) -> None:
    bench.chip.fix_address("01:00:5e:00:00:01", 10, {1, 8})
    bench.chip.fix_address("01:00:5e:00:00:02", 10, {1, 8})
    bench.chip.fix_address("01:00:5e:00:00:03", 10, {2})
    assert [bench.value(tables.MULTICAST, number) for number in range(3)] == [0x204, 0x008, 0x7FF]
    assert [address.ports for address in bench.chip.read_addresses()].count(frozenset({1, 8})) == 2


def test_an_address_can_be_made_to_go_nowhere(bench: Bench) -> None:
    bench.chip.fix_address(text(MAC), 10, {3}, drops=True)
    address = bench.chip.find_address(text(MAC), 10)
    assert address is not None
    assert address.drops


@pytest.mark.parametrize("mac", ["", "02:50:b6:11:22", "02-50-b6-11-22-33", "02:50:b6:11:22:33:44"])
def test_what_is_no_address_is_refused(bench: Bench, mac: str) -> None:
    with pytest.raises(ValueError, match="is not a MAC address"):
        bench.chip.find_address(mac, 10)
    with pytest.raises(ValueError, match="has one port"):
        bench.chip.fix_address(text(MAC), 10, {1, 2})


def test_flushing_a_port_leaves_other_ports_and_fixed_addresses(bench: Bench) -> None:
    hold_address(bench, MAC, 10, core=4)
    hold_address(bench, MAC + 1, 10, core=5)
    hold_address(bench, MAC + 2, 10, core=4, age=FIXED)
    assert bench.chip.flush_ports({3}) == 1
    assert {address.mac for address in bench.chip.read_addresses()} == {text(MAC + 1), text(MAC + 2)}
    assert bench.chip.flush_ports({3, 4}, fixed=True) == 2
    assert bench.chip.read_addresses() == ()


def test_a_dump_says_how_far_it_is_and_can_be_stopped(bench: Bench) -> None:
    stop = threading.Event()
    done: list[int] = []

    def progress(so_far: int, total: int) -> None:
        assert total == 4112
        done.append(so_far)
        if so_far >= 1600:
            stop.set()

    with pytest.raises(Stopped, match="address table was stopped"):
        bench.chip.read_addresses(on_progress=progress, stop=stop)
    assert done == list(range(0, 1601, 16))
    stop.clear()
    bench.chip.flush_ports({1}, on_progress=lambda so_far, total: done.append(so_far))
    assert done[-1] == 4112


def test_known_addresses_are_looked_at_again_without_searching_for_others(bench: Bench) -> None:
    stays, goes = hold_address(bench, MAC, 10, core=4), hold_address(bench, MAC, 20, core=10, way=3)
    known = bench.chip.read_addresses()
    hold_address(bench, MAC, 10, core=5, age=0b001)
    bench.hold(tables.AGE, goes, 0)
    bench.bus.wire.clear()
    (left,) = bench.chip.reread_addresses(address.place for address in known)
    assert (left.place, left.ports, left.seen) == (stays, {4}, False)
    assert bench.bus.transfers == 10 + 34


# Counters


def test_every_counter_of_a_port_is_read_in_its_place(bench: Bench) -> None:
    bench.hold(MIB, 2, sum((number + 1) << 32 * number for number in range(37)))
    counters = asdict(bench.chip.read_counters(3))
    assert counters["tx_packets"] == 2 << 32 | 1
    assert (counters["tx_dropped"], counters["tx_errors"]) == (17, 18)
    assert counters["rx_packets"] == 20 << 32 | 19
    assert (counters["rx_dropped"], counters["rx_crc_errors"], counters["rx_fragments"]) == (35, 36, 37)
    assert set(asdict(bench.chip.read_counters(4)).values()) == {0}


def test_the_traffic_of_all_ports_is_what_their_counters_say_in_560_transfers(bench: Bench) -> None:
    for index in range(8):
        bench.hold(MIB, index, sum((100 * index + number + 1) << 32 * number for number in range(37)))
    traffic = bench.chip.read_all_traffic()
    assert bench.bus.transfers == 560
    for one, counters in zip(traffic, bench.chip.read_all_counters(), strict=True):
        assert asdict(one).items() <= asdict(counters).items()


def test_the_core_says_why_it_dropped_frames(bench: Bench) -> None:
    bench.bus.words[0x1044B0] = 0xFF000003
    bench.bus.words[0x1044A4] = 4
    bench.bus.words[0x1044C0] = 5
    drops = bench.chip.read_drops()
    assert (drops.vlan_member, drops.frame_filter, drops.access_list) == (3, 4, 5)
    assert sum(asdict(drops).values()) == 12
    assert bench.bus.transfers == 70


def test_counters_are_cleared_one_by_one_and_the_last_bit_falls(bench: Bench) -> None:
    cleared: list[int] = []

    def note(address: int, word: int) -> int:
        if address == MIB_CLEAR.at(0) and word & 1:
            cleared.append(word >> 4)
        return word

    bench.bus.stores = note
    bench.chip.clear_counters(1)
    assert cleared == list(range(21))
    assert bench.value(MIB_CLEAR, 0) == 0x140
    bench.chip.clear_counter(1, "rx_bytes")
    assert cleared[-1] == 11
    with pytest.raises(KeyError):
        bench.chip.clear_counter(1, "rx_packages")


def test_a_bus_error_in_the_middle_of_a_dump_is_told_with_its_register(bench: Bench) -> None:
    def fail(number: int) -> None:
        if number > 1000:
            raise BusError(0x5C, None, "the device did not answer (NACK)", nack=True)

    bench.bus.before_transfer = fail
    with pytest.raises(BusError, match="SWCORE_L2_AGING_TABLE"):
        bench.chip.read_addresses()
