"""The VLAN table as a whole: bursts, order, progress; and what a port's tables cost."""

import threading

import pytest

from hardware.errors import BusError, Stopped
from hardware.jl6108 import tables
from hardware.jl6108.ranges import RangeOf, VidRange
from hardware.jl6108.vlans import CLOSED, OPEN, Choice, TagOperation, VlanEntry
from hardware.switch_errors import RegistersDiffer
from hardware.vlan import CPU_PORT
from tests.hardware.jl6108.conftest import Bench


def test_an_entry_names_its_ports_as_the_front_does() -> None:
    entry = VlanEntry.of({1, 8, CPU_PORT}, fid=10)
    assert entry.words == (1 << 2 | 1 << 9 | 1 << 10 | 10 << 11, 0)
    assert entry.ports == {1, 8, CPU_PORT}
    assert OPEN.ports == frozenset(range(1, 10))
    assert CLOSED.ports == frozenset()
    assert entry.with_ports({2})["fid"] == 10


def test_a_scan_reads_every_entry_and_says_how_far_it_is(bench: Bench) -> None:
    bench.hold(tables.VLAN, 4095, VlanEntry.of({3}, fid=5).value)
    done: list[tuple[int, int]] = []
    entries = bench.chip.scan_vlans(lambda so_far, total: done.append((so_far, total)))
    assert list(entries) == list(range(4096))
    assert entries[4095].ports == {3}
    assert set(list(entries.values())[:-1]) == {OPEN}
    assert (done[0], done[-1], len(done)) == ((8, 4096), (4096, 4096), 512)
    assert bench.bus.transfers == 35_840


def test_a_scan_gives_way_after_every_burst_and_can_be_stopped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    turns: list[int] = []

    def yielded() -> None:
        turns.append(bench.bus.transfers)
        if len(turns) == 3:
            stop.set()

    monkeypatch.setattr(bench.lock, "give_way", yielded)
    with pytest.raises(Stopped):
        bench.chip.scan_vlans(stop=stop)
    assert turns == [70, 140, 210]


def test_closing_all_entries_ends_with_the_one_of_vid_0(bench: Bench) -> None:
    order: list[int] = []

    def note(address: int, word: int) -> int:
        order.append((address - tables.VLAN.at()) // 8)
        return word

    bench.bus.stores = note
    bench.chip.write_vlans(dict.fromkeys(range(4096), CLOSED), verify=False)
    assert bench.bus.transfers == 19_456
    assert order[-16::2] == list(range(8))
    assert all(not bench.value(tables.VLAN, vid) for vid in range(4096))


def test_entries_between_those_that_are_written_stay(bench: Bench) -> None:
    bench.chip.write_vlans({vid: CLOSED for vid in range(100) if vid % 3})
    assert [vid for vid in range(101) if bench.value(tables.VLAN, vid)] == [*range(0, 101, 3), 100]


def test_what_a_burst_did_not_leave_behind_is_named(bench: Bench) -> None:
    bench.bus.stores = lambda address, word: None if address in (tables.VLAN.at(12), tables.VLAN.at(13)) else word
    with pytest.raises(RegistersDiffer) as caught:
        bench.chip.write_vlans(dict.fromkeys(range(8, 16), CLOSED))
    assert [difference.name for difference in caught.value.differences] == [
        "SWCORE_VLAN_TABLE[12]",
        "SWCORE_VLAN_TABLE[13]",
    ]


def test_a_write_of_many_that_is_stopped_has_written_whole_bursts(bench: Bench) -> None:
    stop = threading.Event()
    with pytest.raises(Stopped):
        bench.chip.write_vlans(
            dict.fromkeys(range(1, 100), CLOSED), lambda done, total: stop.set() if done >= 16 else None, stop
        )
    assert [vid for vid in range(100) if not bench.value(tables.VLAN, vid)] == list(range(1, 17))


def test_neighbours_are_read_in_one_burst(bench: Bench) -> None:
    assert set(bench.chip.read_vlans([30, 10, 11, 12])) == {10, 11, 12, 30}
    assert bench.bus.transfers == 6 + 4 * 6 + 14


@pytest.mark.parametrize("fid", [-1, 4095, 4096])
def test_a_learning_domain_that_the_vendor_refuses_is_refused(bench: Bench, fid: int) -> None:
    with pytest.raises(ValueError, match="FID 0 to 4094"):
        bench.chip.set_vlan_fid(10, fid)


@pytest.mark.parametrize("vid", [0, 4096])
def test_a_default_vid_that_cannot_be_is_refused(bench: Bench, vid: int) -> None:
    with pytest.raises(ValueError, match="4095"):
        bench.chip.set_pvid(1, vid)
    assert bench.bus.written == []


def test_the_tables_of_all_ports_are_those_of_each(bench: Bench) -> None:
    bench.chip.set_pvid(3, 10)
    bench.chip.set_ingress_operation(CPU_PORT, TagOperation.PUSH, vid=Choice.OWN, dei=Choice.OWN, pcp=Choice.OWN)
    bench.chip.set_egress_operation(8, TagOperation.POP)
    bench.chip.change_frame_filter(8, drop_untagged=1)
    bench.bus.wire.clear()
    everything = bench.chip.read_all_port_tables()
    assert bench.bus.transfers == 288
    assert everything == {port: bench.chip.read_port_tables(port) for port in range(1, 10)}
    assert everything[3].source["default_vid"] == 10
    assert everything[CPU_PORT].source["operation"] == TagOperation.PUSH
    assert (everything[8].egress["operation"], everything[8].frame_filter["drop_untagged"]) == (TagOperation.POP, 1)


def test_only_tables_that_change_are_written(bench: Bench) -> None:
    running = bench.chip.read_port_tables(1)
    wanted = type(running)(running.source.replace(default_vid=10), running.egress, running.frame_filter)
    bench.bus.wire.clear()
    bench.chip.write_port_tables(1, wanted, running, verify=False)
    assert bench.bus.transfers == 14
    assert bench.chip.read_port_tables(1) == wanted
    bench.bus.wire.clear()
    bench.chip.write_port_tables(1, running, verify=False)
    assert bench.bus.transfers == 32


def test_a_port_table_that_did_not_take_is_named(bench: Bench) -> None:
    running = bench.chip.read_port_tables(1)
    wanted = type(running)(running.source, running.egress.replace(operation=3), running.frame_filter)
    bench.bus.stores = lambda address, word: None
    with pytest.raises(RegistersDiffer, match=r"EGRESS_PORT_CONFIGURATION\[2\]"):
        bench.chip.write_port_tables(1, wanted, running)


def test_a_chip_that_resets_in_the_middle_is_a_bus_error_and_asked_anew(bench: Bench) -> None:
    def fail(number: int) -> None:
        raise BusError(0x5C, None, "the device did not answer (NACK)", nack=True)

    bench.bus.before_transfer = fail
    with pytest.raises(BusError):
        bench.chip.write_vlan(10, CLOSED)
    bench.bus.before_transfer = lambda number: None
    bench.bus.words[0x200054] = 0
    with pytest.raises(Exception, match="firmware is not up"):
        bench.chip.write_vlan(10, CLOSED)
    assert bench.value(tables.VLAN, 10) == OPEN.value


# Ranges


def test_a_range_of_addresses_is_read_as_it_was_set(bench: Bench) -> None:
    wanted = VidRange(frozenset({1, 8}), 0x0250B6000000, 0x0250B6FFFFFF, vid=10, order=2, flag=True)
    bench.chip.set_range(RangeOf.MAC, 3, wanted)
    assert bench.chip.read_range(RangeOf.MAC, 3) == wanted
    answer, search = RangeOf.MAC.value
    assert bench.value(answer, 3) == 2 << 12 | 10
    assert bench.value(search, 3) == 0x0250B6FFFFFF << 60 | 0x0250B6000000 << 12 | 1 << 11 | 0x204
    bench.chip.clear_range(RangeOf.MAC, 3)
    assert bench.chip.read_range(RangeOf.MAC, 3).ports == frozenset()


@pytest.mark.parametrize(
    ("kind", "answer", "search", "words"),
    [
        (RangeOf.OUTER_VID, 0x1064E0, 0x1202C0, (100 << 12 | 0x204 | 200 << 24, 0)),
        (RangeOf.INNER_VID, 0x1064F0, 0x1202A0, (100 << 12 | 0x204 | 200 << 24, 0)),
        (RangeOf.TYPE, 0x11F2D0, 0x120280, (100 << 11 | 0x204 | (200 << 27) & 0xFFFFFFFF, 200 >> 5)),
    ],
)
def test_each_kind_of_range_has_its_place(
    bench: Bench, kind: RangeOf, answer: int, search: int, words: tuple[int, int]
) -> None:
    bench.chip.set_range(kind, 1, VidRange(frozenset({1, 8}), 100, 200, vid=4095))
    assert bench.bus.words[answer] == 3 << 12 | 4095
    assert (bench.bus.words[search], bench.bus.words.get(search + 4, 0)) == words
    assert bench.bus.written.index(answer) < bench.bus.written.index(search), "the answer is there before it is asked"


def test_a_range_of_types_has_no_other_side(bench: Bench) -> None:
    with pytest.raises(ValueError, match="no other side"):
        bench.chip.set_range(RangeOf.TYPE, 0, VidRange(frozenset({1}), 1, 2, 10, flag=True))
    assert bench.bus.written == []
