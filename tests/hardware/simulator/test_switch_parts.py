"""Counters, links, firmware, resets and faults of the simulated switch (jl6108.md 4, 7, 8)."""

import pytest
from smbus2 import i2c_msg

from hardware.simulator import net
from hardware.simulator.testing import InProcessBoard
from tests.hardware.simulator.master import Master
from tests.hardware.simulator.recipes import SOURCE

MIB, MIB_MODE, MIB_CLEAR = 0x142058, 0x1420EC, 0x1420F0
BMCR, MII_MON, IFM_CONTROL, LINK_CONTROL = 0x244000, 0x1420FC, 0x142040, 0x142048
MAILBOX, WATCHDOG, PAIR_FILTER, VLAN_TABLE, SCRATCH = 0x200070, 0x200068, 0x11EEA0, 0x1064FC, 0x124014


@pytest.fixture
def board() -> InProcessBoard:
    board = InProcessBoard()
    for port in range(1, 9):
        board.board.switch.set_partner(port, 1000)
    return board


@pytest.fixture
def master(board: InProcessBoard) -> Master:
    return Master(board)


def send(board: InProcessBoard, port: int, *vids: int, **fields: int) -> set[int]:
    return {to for to, _ in net.forward(board.board.switch, port, net.tagged(*vids, **fields))}


def counters(master: Master, index: int) -> list[int]:
    base = MIB + 0x400 * index
    words = [*master.read(base, 16), *master.read(base + 64, 16), *master.read(base + 128, 5)]
    pairs = [words[2 * i] | words[2 * i + 1] << 32 for i in range(8)]
    return pairs + [words[16], words[17]] + [words[18 + 2 * i] | words[19 + 2 * i] << 32 for i in range(8)] + words[34:]


def test_counters_count_what_came_and_what_left(board: InProcessBoard, master: Master) -> None:
    switch = board.board.switch
    net.forward(switch, 1, net.Frame(size=100))
    net.forward(switch, 1, net.tagged(5, dst=0x020000000099))
    net.forward(switch, 1, net.Frame(dst=0x01005E000001))
    received, sent = counters(master, 0), counters(master, 1)
    assert received[:8] == [0] * 8
    assert received[10:18] == [3, 100 + 68 + 64, 1, 68, 1, 64, 1, 100]
    assert sent[:8] == received[10:18]
    assert sent[10:18] == [0] * 8


def test_a_frame_that_is_dropped_is_counted_where_it_came_in_and_where_it_was_dropped(
    board: InProcessBoard, master: Master
) -> None:
    master.write(VLAN_TABLE + 8 * 77, 0, 0)
    assert send(board, 1, 77) == set()
    assert master.read(0x1044B0) == [1]
    assert counters(master, 0)[10] == 1
    assert counters(master, 1)[0] == 0
    master.write(0x1044B0, 0)
    assert master.read(0x1044B0) == [0]


def test_a_64_bit_counter_carries_into_its_upper_word(board: InProcessBoard, master: Master) -> None:
    board.board.switch.memory.put(MIB, 0xFFFFFFFF)
    send(board, 2)
    assert master.read(MIB, 2) == [0, 1]


def test_one_counter_is_cleared_and_the_rest_stay(board: InProcessBoard, master: Master) -> None:
    send(board, 1)
    master.write(MIB_CLEAR, 1 | 11 << 4)
    assert master.read(MIB_CLEAR) == [11 << 4], "the command goes by itself, the number stays"
    assert counters(master, 0)[10:12] == [1, 0]
    board.board.switch.assumptions.assume("mib-clear", "stays")
    master.write(MIB_CLEAR, 1 | 10 << 4)
    assert master.read(MIB_CLEAR) == [1 | 10 << 4]


def test_counters_can_go_with_the_reading(board: InProcessBoard, master: Master) -> None:
    master.write(MIB_MODE, 0x01FFFFF1)
    send(board, 1)
    assert counters(master, 0)[10] == 1
    assert counters(master, 0)[10] == 0


def test_counters_are_not_written_over_the_bus(board: InProcessBoard, master: Master) -> None:
    send(board, 1)
    master.write(MIB + 0x48, 0, 0)
    assert master.read(MIB + 0x48) == [1]


def test_a_port_that_is_switched_off_loses_its_link_and_gets_it_back(board: InProcessBoard, master: Master) -> None:
    master.write(BMCR + 0x4000, 0x1940)
    assert board.board.switch.links()[2] == 0
    assert not master.read(MII_MON + 0x400)[0] & 2
    assert 2 not in send(board, 1)
    master.write(BMCR + 0x4000, 0x1140)
    assert board.board.switch.links()[2] == 0, "the other side has to be found first"
    board.clock.wait(3)
    assert board.board.switch.links()[2] == 1000
    assert 2 in send(board, 1)


def test_a_forced_speed_is_the_speed_and_an_isolated_phy_passes_nothing(board: InProcessBoard, master: Master) -> None:
    master.write(BMCR, 0x2100 | 1 << 9)
    board.clock.wait(3)
    assert board.board.switch.links()[1] == 100
    assert master.read(BMCR) == [0x2100], "the restart bit goes by itself"
    master.write(BMCR, 0x1140)
    board.clock.wait(3)
    assert board.board.switch.links()[1] == 1000
    master.write(BMCR, 0x1140 | 1 << 10)
    assert board.board.switch.links()[1] == 1000
    assert 1 not in send(board, 2)
    board.board.switch.assumptions.assume("restart-bit", "stays")
    master.write(BMCR, 0x1340)
    assert master.read(BMCR) == [0x1340]


def test_a_mac_can_be_told_that_its_link_is_down(board: InProcessBoard, master: Master) -> None:
    master.write(IFM_CONTROL, 1, 0)
    assert board.board.switch.links()[1] == 0
    master.write(IFM_CONTROL, 3, 0)
    assert board.board.switch.links()[1] == 1000


def test_a_change_of_a_link_is_noted_until_it_is_acknowledged(board: InProcessBoard, master: Master) -> None:
    master.write(0x142004, 0xFFFFFFFF)
    board.board.switch.set_partner(1, 0)
    assert master.read(0x142004) == [1 << 2]
    board.board.switch.set_partner(1, 1000)
    assert master.read(0x142004) == [1 << 2 | 1 << 3]
    master.write(0x142004, 1 << 2)
    assert master.read(0x142004) == [1 << 3]


def test_the_firmware_follows_a_link_unless_the_mailbox_says_no(board: InProcessBoard, master: Master) -> None:
    assert master.read(LINK_CONTROL) == [1 << 7 | 1 << 9]
    master.write(MAILBOX, 0x0FFE0000 | 1 << 2)
    master.write(LINK_CONTROL, 0, 0)
    board.board.switch.set_partner(1, 0)
    board.board.switch.set_partner(1, 1000)
    assert master.read(LINK_CONTROL) == [0]


def test_the_firmware_changes_filters_under_pressure_unless_the_mailbox_says_no(
    board: InProcessBoard, master: Master
) -> None:
    board.board.inject("switch-pressure", [])
    assert len({master.read(PAIR_FILTER + 4 * 5)[0] for _ in range(4)}) == 4
    master.write(MAILBOX, 0x0FFE0000 | 1 << 16)
    master.write(PAIR_FILTER + 4 * 5, 1 << 18 + 4)
    assert {master.read(PAIR_FILTER + 4 * 5)[0] for _ in range(4)} == {1 << 18 + 4}
    master.write(MAILBOX, 0x0FFE0000)
    assert master.read(PAIR_FILTER + 4 * 5)[0] & 1 << 18 + 4, "what is not its own it leaves"


def test_the_firmware_tests_itself_over_the_scratch_words_unless_told_not_to(
    board: InProcessBoard, master: Master
) -> None:
    board.board.inject("switch-pressure", [])
    master.write(0x2000E0, 1)
    assert master.read(0x2000E0) == [0x5A5A5A5A]
    master.write(MAILBOX, 0x0FFE0000 | 1 << 12)
    master.write(0x2000E0, 1)
    assert master.read(0x2000E0) == [1]


def test_filters_of_absent_ports_have_what_the_firmware_left_there(master: Master) -> None:
    assert master.read(PAIR_FILTER, 3) == [0x1C00, 0x1C00, 0]


def test_the_heart_of_the_firmware_beats(board: InProcessBoard, master: Master) -> None:
    before = master.read(0x2000A0)
    board.clock.wait(0.1)
    assert master.read(0x2000A0) != before


def test_web_firmware_may_write_its_own_vlans_over_ours(board: InProcessBoard, master: Master) -> None:
    for value, left in (("quiet", 0x40000009), ("reapplies", 9)):
        board.board.switch.assumptions.assume("web-firmware", value)
        master.write(SOURCE + 16 * 2, 0x40000009, 0x40001, 0, 0)
        board.board.switch.set_partner(5, 0)
        board.board.switch.set_partner(5, 1000)
        assert master.read(SOURCE + 16 * 2) == [left]


def test_a_starved_watchdog_resets_the_chip_and_nothing_that_was_written_stays(
    board: InProcessBoard, master: Master
) -> None:
    master.write(VLAN_TABLE + 80, 0x204, 0)
    master.write(WATCHDOG, master.read(WATCHDOG)[0] & ~4 | 1)
    assert master.read(VLAN_TABLE + 80) == [0x204], "it takes a while"
    board.clock.wait(0.6)
    assert master.read(VLAN_TABLE + 80) == [0x7FF]
    assert master.read(0x200054) == [0]
    assert send(board, 1) == set(), "no links"
    board.clock.wait(4)
    assert master.read(0x200054, 1) == [0x00130000]
    assert len(send(board, 1)) == 8


def test_what_is_written_while_the_firmware_starts_is_written_over(board: InProcessBoard, master: Master) -> None:
    board.board.switch.restart()
    master.write(SOURCE + 16 * 2, 0x40AA0009, 0x40001, 0, 0)
    assert master.read(MAILBOX) == [0]
    board.clock.wait(2)
    assert master.read(SOURCE + 16 * 2, 2) == [9, 0x40001]
    assert master.read(MAILBOX) == [0x0FFE0000]


def test_the_chip_can_stop_answering_from_some_frame_on(board: InProcessBoard, master: Master) -> None:
    board.board.inject("switch-nack", ["10", "1"])
    assert master.read(SCRATCH) == [0], "ten frames"
    with pytest.raises(OSError, match="did not acknowledge"):
        master.read(SCRATCH)
    assert master.read(SCRATCH) == [0]
    board.board.inject("switch-nack", ["0"])
    for _ in range(3):
        with pytest.raises(OSError, match="did not acknowledge"):
            master.read(SCRATCH)


def test_the_bridge_can_stay_busy_from_some_access_on(board: InProcessBoard, master: Master) -> None:
    board.board.inject("switch-stuck-busy", ["1"])
    master.write(SCRATCH, 1)
    master.push(2)
    master.start(SCRATCH, 1, 1)
    assert {master.value(0x780) for _ in range(100)} == {1}
    board.board.clear("switch-stuck-busy")
    assert master.read(SCRATCH) == [2], "it may have been done nevertheless (25.2)"


def test_a_word_can_be_damaged_on_its_way_back_or_there(board: InProcessBoard, master: Master) -> None:
    board.board.inject("switch-corrupts-reads", ["1", "1"])
    assert master.read(0x10000C, 2) == [0, 4]
    assert master.read(0x10000C, 2) == [0, 0]
    board.board.inject("switch-corrupts-writes", ["1", "1"])
    master.write(0x10000C, 1, 1)
    assert master.read(0x10000C, 2) == [1, 5]


def test_the_chip_can_reset_in_the_middle(board: InProcessBoard, master: Master) -> None:
    board.board.inject("switch-resets", ["1", "1"])
    master.write(VLAN_TABLE + 80, 0x204, 0)
    master.write(VLAN_TABLE + 88, 0x204, 0)
    assert master.read(VLAN_TABLE + 80, 4) == [0x7FF, 0, 0x7FF, 0]


def test_a_write_to_reserved_bits_is_in_the_trace(board: InProcessBoard, master: Master) -> None:
    master.write(SOURCE + 16 * 2, 9, 0x40000, 0, 1)
    assert next(entry for entry in board.trace() if "reserved" in entry)["reserved"] == "0x11F3DC"


def test_the_bridge_may_forget_between_accesses(board: InProcessBoard, master: Master) -> None:
    for value, address in (("kept", 0x10000C), ("cleared", 0)):
        board.board.switch.assumptions.assume("bridge-registers", value)
        master.read(0x10000C)
        assert master.value(0x782) | master.value(0x783) << 16 == address


@pytest.mark.parametrize(("way", "left"), [("last-count", 2), ("first-count", 1)])
def test_words_that_were_left_over_may_count(board: InProcessBoard, master: Master, way: str, left: int) -> None:
    board.board.switch.assumptions.assume("left-over-words", way)
    master.push(1)
    master.write(SCRATCH, 2)
    assert master.read(SCRATCH) == [left]


def test_words_that_were_left_over_may_be_refused(board: InProcessBoard, master: Master) -> None:
    board.board.switch.assumptions.assume("left-over-words", "refused")
    master.push(1)
    with pytest.raises(OSError, match="did not acknowledge"):
        master.write(SCRATCH, 2)


def test_the_low_half_alone_may_not_fetch_the_next_word(board: InProcessBoard, master: Master) -> None:
    master.write(0x10000C, 1, 2)
    for value, lows in (("low", [1, 2]), ("pair", [1, 1])):
        board.board.switch.assumptions.assume("read-advance", value)
        master.start(0x10000C, 2, 0)
        assert [master.value(0x78E) for _ in range(2)] == lows


def test_a_repeated_start_may_work(board: InProcessBoard) -> None:
    board.board.switch.assumptions.assume("repeated-start", "works")
    answer = i2c_msg.read(0x5C, 2)
    board.smbus().i2c_rdwr(i2c_msg.write(0x5C, [0x07, 0x80]), answer)
    assert bytes(answer) == b"\0\0"
