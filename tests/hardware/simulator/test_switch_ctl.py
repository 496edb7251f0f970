"""Frames, links and assumptions of the simulated switch, asked for from outside of its process."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hardware.simulator.control import CtlError
from hardware.simulator.testing import SimulatedBoard
from tests.hardware.simulator.test_simulator_process import simulator


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedBoard]:
    with SimulatedBoard(tmp_path_factory.mktemp("switch"), time_scale=10) as board:
        yield board


def left(board: SimulatedBoard, *words: str | int) -> dict[str, list[str]]:
    return {copy["behind"]: copy["tags"] for copy in board.ctl("frame", *words)}


def test_a_frame_is_told_where_it_leaves_and_how(board: SimulatedBoard) -> None:
    board.ctl("link", 5, 1000)
    assert board.ctl("frame", 8, "--vid", 10) == [
        {"port": 5, "behind": "slot 3", "tags": ["10"]},
        {"port": 7, "behind": "slot 1", "tags": ["10"]},
        {"port": 9, "behind": "switch", "tags": ["10"]},
    ]
    assert left(board, 5, "--untagged") == {"slot 1": [], "uplink": [], "switch": []}
    assert left(board, 5, "--tags", "s20:3,7") == {way: ["s20:3", "7"] for way in ("slot 1", "uplink", "switch")}


def test_addresses_of_a_frame_are_learned(board: SimulatedBoard) -> None:
    board.ctl("link", 5, 1000)
    left(board, 5, "--vid", 60, "--src", "02:00:00:00:aa:05")
    assert left(board, 8, "--vid", 60, "--dst", "02:00:00:00:aa:05") == {"slot 3": ["60"]}


def test_what_becomes_of_a_frame_is_in_the_trace(board: SimulatedBoard) -> None:
    board.ctl("link", 4, 0)
    board.ctl("frame", 8, "--vid", 10)
    entry = board.trace()[-1]
    assert (entry["frame"], entry["tags"]) == (8, ["10"])
    assert [7, ["10"]] in entry["out"]
    assert "port 4: no link" in entry["dropped"]


def test_a_port_without_link_is_said_to_have_none(board: SimulatedBoard) -> None:
    board.ctl("link", 4, 0)
    with pytest.raises(CtlError, match="Port 4 has no link, so no frame comes in there"):
        board.ctl("frame", 4)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("10",), "PORT is a number from 1 to 9"),
        (("8", "--vid"), "frame PORT, then"),
        (("8", "--colour", "red"), "frame PORT, then"),
        (("8", "--vid", "4096"), "VID is a number from 0 to 4095"),
        (("8", "--tags", "10:8"), "PCP is a number from 0 to 7"),
        (("8", "--src", "02:00:00:00:00"), "An address is six octets"),
        (("8", "--dst", "02:00:00:00:00:zz"), "An address is six octets"),
    ],
)
def test_a_frame_that_cannot_be_is_refused_with_a_sentence(
    board: SimulatedBoard, words: tuple[str, ...], sentence: str
) -> None:
    with pytest.raises(CtlError, match=sentence):
        board.ctl("frame", *words)


def test_a_link_has_a_speed_that_there_is(board: SimulatedBoard) -> None:
    assert board.ctl("link", 6, 100)["6"] == 100
    with pytest.raises(CtlError, match="MBPS is one of 0, 10, 100, 1000, not 42"):
        board.ctl("link", 6, 42)


def test_assumptions_are_listed_with_their_section_and_switched(board: SimulatedBoard) -> None:
    listed = board.ctl("assume")
    assert listed["member-check"]["section"] == "5.5"
    assert {entry["mark"] for entry in listed.values()} == {"inferred", "unknown"}
    assert board.ctl("assume", "cpu-port", "ignores")["cpu-port"]["value"] == "ignores"
    assert board.ctl("assume", "cpu-port")["cpu-port"]["value"] == "ignores"
    board.ctl("assume", "cpu-port", "honours")
    with pytest.raises(CtlError, match="There is no assumption 'luck'"):
        board.ctl("assume", "luck")


def test_a_frame_can_be_sent_from_a_shell(board: SimulatedBoard) -> None:
    ended = simulator("ctl", "--data", str(Path(board.data)), "frame", "8", "--vid", "10")
    assert ended.returncode == 0, ended.stderr
    assert '"behind": "slot 1"' in ended.stdout
