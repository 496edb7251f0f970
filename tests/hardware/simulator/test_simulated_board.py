"""The board as a whole, on virtual time: wires between the chips and the slots, trace, faults, loss of power."""

import errno

import pytest
from smbus2 import i2c_msg

from hardware.simulator.board import BoardError
from hardware.simulator.faults import KINDS, FaultError
from hardware.simulator.testing import InProcessBoard

OUTPUT, POLARITY, CONFIGURATION = 0x01, 0x02, 0x03
EXPANDER = 0x18


@pytest.fixture
def board() -> InProcessBoard:
    return InProcessBoard()


def drive_all_high(board: InProcessBoard) -> None:
    """Make all lines outputs without moving any."""
    smbus = board.smbus()
    smbus.write_byte_data(EXPANDER, OUTPUT, 0xFF)
    smbus.write_byte_data(EXPANDER, CONFIGURATION, 0x00)
    assert board.edges() == []


def press(board: InProcessBoard, line: int, seconds: float) -> None:
    smbus = board.smbus()
    smbus.write_byte_data(EXPANDER, OUTPUT, 0xFF & ~(1 << line))
    board.clock.wait(seconds)
    smbus.write_byte_data(EXPANDER, OUTPUT, 0xFF)


def test_the_board_starts_with_its_population_off_and_slot_1_running(board: InProcessBoard) -> None:
    slots = board.board.state()["slots"]
    assert [slots[str(number)]["type"] for number in range(1, 8)] == ["LM3H", "CM4", "CM5", "CM5", "M4N", "LM3H", None]
    assert [slots[str(number)]["power"] for number in range(1, 8)] == ["On", *["Off"] * 5, None]


def test_only_slot_1_and_the_uplink_have_a_link_at_the_start(board: InProcessBoard) -> None:
    links = board.board.state()["links"]
    assert {port for port, mbps in links.items() if mbps} == {"7", "8"}
    assert board.board.state()["slots"]["1"]["link"] == 100


def test_no_time_that_passes_moves_a_som_or_a_line(board: InProcessBoard) -> None:
    trace = board.trace()
    board.clock.wait(3600)
    assert board.trace() == trace


@pytest.mark.parametrize("slot", range(2, 7))
def test_line_n_reaches_slot_n_and_its_link_port_8_minus_n(board: InProcessBoard, slot: int) -> None:
    drive_all_high(board)
    press(board, slot, 1)
    board.clock.wait(10)
    state = board.board.state()
    assert {number for number, other in state["slots"].items() if other["power"] == "On"} == {"1", str(slot)}
    assert {port for port, mbps in state["links"].items() if mbps} == {"7", "8", str(8 - slot)}


def test_a_line_on_an_empty_slot_moves_nothing_else(board: InProcessBoard) -> None:
    drive_all_high(board)
    press(board, 7, 8)
    assert [edge["line"] for edge in board.edges()] == [7, 7]
    assert not any("slot" in entry for entry in board.trace())


def test_line_0_resets_the_switch_and_takes_every_link_for_seconds(board: InProcessBoard) -> None:
    drive_all_high(board)
    press(board, 0, 0.1)
    assert set(board.board.state()["links"].values()) == {0}
    board.clock.wait(10)
    assert board.board.state()["links"]["8"] == 1000


def test_a_transfer_is_one_trace_entry_with_its_bytes_in_hex(board: InProcessBoard) -> None:
    smbus = board.smbus()
    smbus.write_byte_data(EXPANDER, OUTPUT, 0xFE)
    smbus.read_byte_data(EXPANDER, OUTPUT)
    smbus.i2c_rdwr(i2c_msg.read(EXPANDER, 1))
    t = board.clock.monotonic()
    assert [entry for entry in board.trace() if "bus" in entry] == [
        {"t": t, "bus": "i2c", "addr": "0x18", "op": "w", "data": "01fe"},
        {"t": t, "bus": "i2c", "addr": "0x18", "op": "wr", "out": "01", "data": "fe"},
        {"t": t, "bus": "i2c", "addr": "0x18", "op": "r", "data": "fe"},
    ]


def test_the_trace_shows_a_write_then_the_line_then_what_the_som_did(board: InProcessBoard) -> None:
    drive_all_high(board)
    seen = len(board.trace())
    press(board, 2, 1)
    entries = [{key: value for key, value in entry.items() if key != "t"} for entry in board.trace()[seen:]]
    assert entries == [
        {"bus": "i2c", "addr": "0x18", "op": "w", "data": "01fb"},
        {"line": 2, "level": 0},
        {"bus": "i2c", "addr": "0x18", "op": "w", "data": "01ff"},
        {"line": 2, "level": 1},
        {"slot": 2, "power": "On"},
    ]


def test_a_refused_byte_is_not_in_the_trace_as_written(board: InProcessBoard) -> None:
    smbus = board.smbus()
    for address, register in ((0x20, OUTPUT), (EXPANDER, 0x07)):
        with pytest.raises(OSError, match="did not acknowledge"):
            smbus.write_byte_data(address, register, 0xFF)
    refused = [entry for entry in board.trace() if "bus" in entry]
    assert [(entry["addr"], entry["data"], entry["nack"]) for entry in refused] == [("0x20", "", 0), ("0x18", "", 1)]


def test_losing_power_puts_registers_soms_and_latches_back_but_spares_slot_1(board: InProcessBoard) -> None:
    drive_all_high(board)
    press(board, 2, 1)
    press(board, 4, 1)
    press(board, 3, 8)
    board.smbus().write_byte_data(EXPANDER, OUTPUT, 0b1111_1011)
    assert board.board.state()["slots"]["3"]["latched"]
    board.board.cycle_mains()
    state = board.board.state()
    assert board.board.dump("expander") == {"0x00": ["0x0F"], "0x01": ["0x00"], "0x02": ["0xF0"], "0x03": ["0xFF"]}
    assert [state["slots"][str(number)]["power"] for number in range(1, 7)] == ["On", *["Off"] * 5]
    assert not state["slots"]["3"]["latched"]
    assert set(state["links"].values()) == {0}, "the switch starts anew"
    board.clock.wait(60)
    state = board.board.state()
    assert {port for port, mbps in state["links"].items() if mbps} == {"7", "8"}
    assert board.powers(2) == ["On", "Off"], "the line's rise at power-up is no release"
    assert board.powers(4) == ["On", "Off"]


def test_losing_power_in_the_middle_of_a_press_ends_it_for_slot_1_too(board: InProcessBoard) -> None:
    drive_all_high(board)
    smbus = board.smbus()
    smbus.write_byte_data(EXPANDER, OUTPUT, 0b1111_0101)
    board.clock.wait(0.1)
    board.board.cycle_mains()
    board.clock.wait(20)
    assert board.powers(1) == []
    assert board.powers(3) == []


def test_a_som_can_be_put_in_powered_and_taken_out(board: InProcessBoard) -> None:
    board.board.insert(7, "LM3H")
    drive_all_high(board)
    press(board, 7, 1)
    board.clock.wait(10)
    assert board.board.state()["slots"]["7"] | {"uart": None} == {
        **{"type": "LM3H", "power": "On", "latched": False, "boot": "kernel", "line": 1, "port": 1, "uart": None},
        "link": 100,
    }
    board.board.remove(7)
    assert board.powers(7) == ["On", "Off"]
    assert board.board.state()["links"]["1"] == 0


@pytest.mark.parametrize(
    ("act", "arguments", "sentence"),
    [
        ("insert", (2, "CM5"), "Slot 2 holds a CM4 already."),
        ("insert", (7, "CM6"), "There is no SOM type 'CM6'; there are LM3H, M4N, CM4, CM5."),
        ("remove", (7,), "Slot 7 is empty."),
        ("remove", (1,), "Slot 1 is the controller and stays."),
        ("upset_system", (7, "hang"), "Slot 7 is empty."),
        ("upset_system", (2, "panic"), "The SOM in slot 2 is off."),
        ("upset_system", (2, "shutdown"), "No system is up in slot 2 that could shut down."),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_sentence(
    board: InProcessBoard, act: str, arguments: tuple[object, ...], sentence: str
) -> None:
    before = board.board.state()
    with pytest.raises(BoardError) as refusal:
        getattr(board.board, act)(*arguments)
    assert str(refusal.value) == sentence
    assert board.board.state() == before


def test_the_system_of_a_som_shuts_down_on_its_own(board: InProcessBoard) -> None:
    drive_all_high(board)
    press(board, 2, 1)
    board.clock.wait(20)
    board.board.upset_system(2, "shutdown")
    board.clock.wait(20)
    assert board.powers(2) == ["On", "PoweringOff", "Off"]
    assert board.board.state()["links"]["6"] == 0


def test_nack_counts_its_times_and_then_is_over(board: InProcessBoard) -> None:
    board.board.inject("nack", ["expander", "2"])
    smbus = board.smbus()
    for _ in range(2):
        with pytest.raises(OSError, match="did not acknowledge") as error:
            smbus.write_byte_data(EXPANDER, OUTPUT, 0xFF)
        assert error.value.errno == errno.EREMOTEIO
    smbus.write_byte_data(EXPANDER, OUTPUT, 0x80)
    assert smbus.read_byte_data(EXPANDER, OUTPUT) == 0x80
    assert board.board.state()["faults"] == []


def test_nack_of_one_chip_leaves_the_other_alone_until_it_is_cleared(board: InProcessBoard) -> None:
    board.board.inject("nack", ["switch"])
    smbus = board.smbus()
    assert smbus.read_byte_data(EXPANDER, CONFIGURATION) == 0xFF
    for _ in range(3):
        with pytest.raises(OSError, match="did not acknowledge"):
            smbus.i2c_rdwr(i2c_msg.write(0x5C, [0x07, 0x80]))
    board.board.clear("nack")
    smbus.i2c_rdwr(i2c_msg.write(0x5C, [0x07, 0x80]))


def test_a_stuck_line_reads_back_wrong_and_the_som_sees_what_is_on_the_wire(board: InProcessBoard) -> None:
    drive_all_high(board)
    press(board, 2, 1)
    board.board.inject("stuck", ["2", "1"])
    smbus = board.smbus()
    smbus.write_byte_data(EXPANDER, POLARITY, 0x00)
    smbus.write_byte_data(EXPANDER, OUTPUT, 0b1111_1011)
    assert smbus.read_byte_data(EXPANDER, 0x00) == 0xFF
    assert board.powers(2) == ["On"]
    board.board.clear("stuck")
    assert smbus.read_byte_data(EXPANDER, 0x00) == 0xFB
    assert board.powers(2) == ["On", "Off"]


def test_a_line_stuck_low_asserts_the_reset_whoever_drives_it_high(board: InProcessBoard) -> None:
    drive_all_high(board)
    board.board.inject("stuck", ["5", "0"])
    board.board.inject("stuck", ["6", "0"])
    assert [(edge["line"], edge["level"]) for edge in board.edges()] == [(5, 0), (6, 0)]


def test_a_lost_write_is_acknowledged_and_forgotten(board: InProcessBoard) -> None:
    board.board.inject("lost-write", ["1"])
    smbus = board.smbus()
    smbus.write_byte_data(EXPANDER, OUTPUT, 0xFE)
    assert smbus.read_byte_data(EXPANDER, OUTPUT) == 0x00
    smbus.write_byte_data(EXPANDER, OUTPUT, 0xFE)
    assert smbus.read_byte_data(EXPANDER, OUTPUT) == 0xFE


def test_a_som_that_ignores_its_line_stays_as_it_is(board: InProcessBoard) -> None:
    drive_all_high(board)
    board.board.inject("som-ignores-line", ["3"])
    press(board, 3, 1)
    press(board, 4, 1)
    assert board.powers(3) == []
    assert board.powers(4) == ["On"]


def test_a_short_press_can_be_made_to_matter_to_an_lm3h(board: InProcessBoard) -> None:
    board.board.inject("short-press-shuts-down", ["6"])
    drive_all_high(board)
    press(board, 6, 1)
    board.clock.wait(20)
    press(board, 6, 1)
    assert board.powers(6) == ["On", "PoweringOff"]
    board.board.clear(None)
    board.clock.wait(20)
    press(board, 6, 1)
    board.clock.wait(20)
    press(board, 6, 1)
    assert board.powers(6) == ["On", "PoweringOff", "Off", "On"]


def test_faults_are_in_the_state_and_in_the_trace(board: InProcessBoard) -> None:
    board.board.inject("stuck", ["2", "0"])
    board.board.inject("nack", ["expander", "3"])
    assert board.board.state()["faults"] == [
        {"name": "stuck", "target": 2, "value": 0},
        {"name": "nack", "target": "expander", "times_left": 3},
    ]
    board.board.clear("nack")
    assert [fault["name"] for fault in board.board.state()["faults"]] == ["stuck"]
    assert [entry["fault"] for entry in board.trace() if "fault" in entry] == ["stuck", "nack", "nack"]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("gremlin", []),
        ("nack", []),
        ("nack", ["fan"]),
        ("nack", ["expander", "0"]),
        ("nack", ["expander", "1", "2"]),
        ("stuck", ["8", "0"]),
        ("stuck", ["2", "2"]),
        ("stuck", ["2"]),
        ("slow", ["-1"]),
        ("slow", ["nan"]),
        ("uart-gone", ["0"]),
        ("bus-hang", ["1"]),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_and_changes_nothing(
    board: InProcessBoard, name: str, arguments: list[str]
) -> None:
    with pytest.raises(FaultError, match=r"^[A-Z].*\.$"):
        board.board.inject(name, arguments)
    assert board.board.state()["faults"] == []


def test_every_fault_can_be_injected_with_what_its_help_names_and_cleared(board: InProcessBoard) -> None:
    examples = {
        "CHIP": "switch",
        "[TIMES]": "2",
        "SECONDS": "0.5",
        "LINE": "4",
        "LEVEL": "1",
        "SLOT": "6",
        "POLLS": "1",
        "OFFSET": "4096",
        "MB_PER_S": "40",
        "AFTER": "3",
    }
    for name, kind in KINDS.items():
        board.board.inject(name, [examples[parameter] for parameter in kind.parameters])
    assert len(board.board.state()["faults"]) == len(KINDS)
    assert len(board.board.clear(None)) == len(KINDS)
    assert board.board.state()["faults"] == []
    with pytest.raises(FaultError, match="no fault 'gremlin'"):
        board.board.clear("gremlin")
