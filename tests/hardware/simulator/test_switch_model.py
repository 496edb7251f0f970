"""The JL6108 model against recorded bus traffic (the vectors) and the notes on the chip (jl6108.md)."""

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from smbus2 import i2c_msg

from hardware.simulator.testing import InProcessBoard
from tests.hardware.simulator.master import Master

VECTORS = Path(__file__).resolve().parents[1] / "jl6108" / "vectors"
UNDECLARED = 0x300000
SCRATCH = 0x124014
INT_STATUS = 0x201004


@pytest.fixture
def board() -> InProcessBoard:
    return InProcessBoard()


@pytest.fixture
def master(board: InProcessBoard) -> Master:
    return Master(board)


def recorded_wire(name: str, declared: set[str]) -> list[str]:
    """Return the frames of the calls of a vector that use only registers that this model declares."""
    vector: dict[str, Any] = json.loads((VECTORS / f"{name}.json").read_text())
    frames = [
        frame
        for call in vector["calls"]
        if {register for _, register, _ in call["registers"]} <= declared
        for frame in call.get("wire", [])
    ]
    assert frames
    return frames


@pytest.mark.parametrize(
    ("vector", "fault"),
    [
        ("raw_i2c_msb", None),
        ("raw_i2c_lsb", ["switch-lsb"]),
        ("busy_3_polls", ["switch-busy", "3"]),
        ("busy_timeout", ["switch-busy", "4"]),
    ],
)
def test_the_chip_answers_recorded_frames_byte_for_byte(
    board: InProcessBoard, vector: str, fault: list[str] | None
) -> None:
    if fault:
        board.board.inject(fault[0], fault[1:])
    smbus = board.smbus()
    for frame in recorded_wire(vector, {"0x20004C", "0x124014"}):
        words = frame.split()
        assert (words[0], words[-1]) == ("S", "P")
        if words[1] == "b8":
            smbus.i2c_rdwr(i2c_msg.write(0x5C, [int(word, 16) for word in words[2:-1]]))
        else:
            expected = bytes(int(word[1:3], 16) for word in words[2:-1])
            answer = i2c_msg.read(0x5C, len(expected))
            smbus.i2c_rdwr(answer)
            assert bytes(answer) == expected, frame


def test_the_chip_says_who_it_is(master: Master) -> None:
    assert master.read(0x20004C) == [0x00016108]
    assert master.read(0x200054) == [0x00130000]
    assert master.read(0x200074) != [0]


def test_a_burst_reads_back_what_a_burst_wrote(master: Master) -> None:
    master.write(0x10000C, 0x01234567, 0x89ABCDEF)
    assert master.read(0x10000C, 2) == [0x01234567, 0x89ABCDEF]


def test_a_write_to_a_status_word_changes_nothing(master: Master) -> None:
    master.write(0x20004C, 0)
    assert master.read(0x20004C) == [0x00016108]


def test_an_undeclared_word_is_an_error_that_the_chip_remembers(board: InProcessBoard, master: Master) -> None:
    with pytest.raises(OSError, match="did not acknowledge") as error:
        master.read(UNDECLARED)
    assert error.value.errno == errno.EREMOTEIO
    assert board.trace()[-1]["error"] == "register 0x300000 is not declared"
    assert master.read(INT_STATUS) == [1 << 18]
    master.write(INT_STATUS, 1 << 18)
    assert master.read(INT_STATUS) == [0]


def test_a_burst_that_runs_into_an_undeclared_word_writes_none_of_its_words(master: Master) -> None:
    with pytest.raises(OSError, match="did not acknowledge"):
        master.write(SCRATCH, 1, 2)
    assert master.read(SCRATCH) == [0]


def test_a_write_with_fewer_words_than_announced_is_refused(master: Master) -> None:
    master.frame(0x784, 1)
    master.frame(0x78D, 0)
    with pytest.raises(OSError, match="did not acknowledge"):
        master.start(0x10000C, 2, 1)
    assert master.read(0x10000C, 2) == [0, 0]


def test_an_undeclared_bridge_register_is_not_acknowledged(master: Master) -> None:
    for register in (0x0785, 0x078F, 0x0000):
        with pytest.raises(OSError, match="did not acknowledge"):
            master.frame(register, 1)


def test_what_nobody_has_documented_is_refused(board: InProcessBoard, master: Master) -> None:
    smbus = board.smbus()
    with pytest.raises(OSError, match="did not acknowledge"):
        smbus.i2c_rdwr(i2c_msg.write(0x5C, [0x07, 0x80]), i2c_msg.read(0x5C, 2))
    with pytest.raises(OSError, match="did not acknowledge"):
        smbus.i2c_rdwr(i2c_msg.read(0x5C, 4))
    with pytest.raises(OSError, match="did not acknowledge"):
        master.value(0x78E)
    with pytest.raises(OSError, match="did not acknowledge"):
        smbus.i2c_rdwr(i2c_msg.write(0x5C, [0x07, 0x84, 0x00]))


def test_link_words_show_link_speed_and_duplex_of_each_port(board: InProcessBoard, master: Master) -> None:
    board.board.switch.set_partner(2, 100)
    status = [master.read(0x1420FC + 0x400 * port)[0] for port in range(8)]
    assert [word >> 1 & 1 for word in status] == [0, 1, 0, 0, 0, 0, 1, 1], "port 7 is slot 1, port 8 the uplink"
    assert [status[port] >> 24 & 3 for port in (1, 6, 7)] == [1, 1, 2]
    assert status[7] == 0x12000003, "as recorded in the vector port_status"
    assert master.read(0x142108 + 0x400 * 7) == [0x1EB], "as recorded in the vector port_status"
    assert master.read(0x2441C0 + 0x4000 * 7)[0] & 0b111100 == 0b101100, "PHYSR: link, full duplex, 1000"
    assert master.read(0x244004 + 0x4000 * 7)[0] & 0b100 == 0b100, "BMSR: link"
    assert master.read(0x244004)[0] & 0b100 == 0


def test_a_chip_in_reset_does_not_answer_and_comes_back_empty(board: InProcessBoard, master: Master) -> None:
    master.write(SCRATCH, 0x5A5A5A5A)
    board.board.switch.set_reset_line(0)
    with pytest.raises(OSError, match="did not acknowledge"):
        master.read(SCRATCH)
    board.board.switch.set_reset_line(1)
    assert master.read(SCRATCH) == [0]
    assert master.read(0x200054) == [0], "the firmware takes its time"
    board.clock.wait(2)
    assert master.read(0x200054) == [0x00130000]


def test_links_are_down_for_seconds_after_a_reset_of_the_chip(board: InProcessBoard) -> None:
    board.board.switch.set_reset_line(0)
    board.board.switch.set_reset_line(1)
    board.clock.wait(1)
    assert set(board.board.switch.links().values()) == {0}
    board.clock.wait(5)
    assert board.board.switch.links()[8] == 1000


def test_a_reset_during_the_start_begins_the_start_anew(board: InProcessBoard, master: Master) -> None:
    board.board.switch.set_reset_line(0)
    board.board.switch.set_reset_line(1)
    board.clock.wait(1.4)
    board.board.switch.set_reset_line(0)
    board.board.switch.set_reset_line(1)
    board.clock.wait(1.4)
    assert master.read(0x200054) == [0]


def test_firmware_that_is_down_and_a_wrong_chip_show_in_the_identity(board: InProcessBoard, master: Master) -> None:
    board.board.inject("switch-firmware-down", [])
    assert master.read(0x200054) == [0]
    board.board.clear("switch-firmware-down")
    board.board.inject("wrong-chip", [])
    assert master.read(0x20004C)[0] & 0xFFFF not in (0x6108, 0x6110)
    assert master.read(0x200054) == [0x00130000]


def test_the_dump_has_the_words_that_differ_from_reset(board: InProcessBoard, master: Master) -> None:
    before = board.board.dump("switch")
    assert before["0x143CFC"] == ["0x12000003"], "the uplink"
    assert "0x10000C" not in before
    assert "0x20004C" not in before
    master.write(0x10000C, 1, 0x89ABCDEF)
    assert board.board.dump("switch")["0x10000C"] == ["0x00000001", "0x89ABCDEF"]
    board.board.inject("wrong-chip", [])
    assert board.board.dump("switch")["0x20004C"] == ["0x00006107"]


def test_a_burst_may_stay_where_it_began(board: InProcessBoard, master: Master) -> None:
    master.write(0x1064FC, 1, 2, 3, 4)
    board.board.switch.assumptions.assume("burst-address", "stays")
    assert master.read(0x1064FC, 4) == [1, 1, 1, 1]
    master.write(0x1064FC, 5, 6)
    board.board.switch.assumptions.assume("burst-address", "advances")
    assert master.read(0x1064FC, 4) == [6, 2, 3, 4]


def test_a_scratch_register_may_keep_nothing(board: InProcessBoard, master: Master) -> None:
    master.write(SCRATCH, 1)
    board.board.switch.assumptions.assume("scratch", "ignores")
    master.write(SCRATCH, 2)
    assert master.read(SCRATCH, 1) == [1]
