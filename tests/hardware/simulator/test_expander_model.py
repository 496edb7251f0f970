"""The PCA9557 model against its data sheet (nanocluster.md, section 3.1)."""

import errno

import pytest
from smbus2 import i2c_msg

from hardware.simulator.bus import Nack
from hardware.simulator.chips import Pca9557Model
from hardware.simulator.testing import InProcessBoard

INPUT, OUTPUT, POLARITY, CONFIGURATION = 0x00, 0x01, 0x02, 0x03


class Pins:
    """A chip, and every change of its pins in order."""

    def __init__(self) -> None:
        self.changes: list[tuple[int, int]] = []
        self.chip = Pca9557Model(lambda line, level: self.changes.append((line, level)))

    def write(self, *data: int) -> None:
        self.chip.write(bytes(data))

    def read(self, register: int) -> int:
        self.chip.write(bytes([register]))
        return self.chip.read(1, repeated_start=True)[0]


@pytest.fixture
def pins() -> Pins:
    return Pins()


def test_registers_after_power_up_are_those_of_the_data_sheet(pins: Pins) -> None:
    assert pins.read(OUTPUT) == 0x00
    assert pins.read(POLARITY) == 0xF0
    assert pins.read(CONFIGURATION) == 0xFF


def test_after_power_up_the_upper_four_inputs_read_inverted(pins: Pins) -> None:
    assert pins.read(INPUT) == 0x0F, "all pins are pulled up, bits 4 to 7 read through the inversion"
    pins.write(POLARITY, 0x00)
    assert pins.read(INPUT) == 0xFF


def test_making_a_fresh_line_an_output_asserts_it_at_once(pins: Pins) -> None:
    pins.write(CONFIGURATION, 0xFF & ~(1 << 3))
    assert pins.changes == [(3, 0)]


def test_a_line_whose_output_bit_is_set_first_does_not_glitch(pins: Pins) -> None:
    pins.write(OUTPUT, 1 << 3)
    pins.write(CONFIGURATION, 0xFF & ~(1 << 3))
    assert pins.changes == []


def test_the_output_register_reads_what_was_written_and_not_the_pins(pins: Pins) -> None:
    pins.write(OUTPUT, 0x5A)
    assert pins.read(OUTPUT) == 0x5A
    assert pins.read(INPUT) ^ 0xF0 == 0xFF, "all lines are inputs still"


def test_inputs_show_the_pins_of_driven_lines_too(pins: Pins) -> None:
    pins.write(POLARITY, 0x00)
    pins.write(OUTPUT, 0b0100_0000)
    pins.write(CONFIGURATION, 0x00)
    assert pins.read(INPUT) == 0b0100_0000
    pins.write(OUTPUT, 0b0100_0001)
    assert pins.read(INPUT) == 0b0100_0001, "line 0 is open drain: let go, its pull-up makes it high"


def test_every_line_follows_its_own_bit_only(pins: Pins) -> None:
    pins.write(OUTPUT, 0xFF)
    pins.write(CONFIGURATION, 0x00)
    for line in range(8):
        pins.changes.clear()
        pins.write(OUTPUT, 0xFF & ~(1 << line))
        pins.write(OUTPUT, 0xFF)
        assert pins.changes == [(line, 0), (line, 1)]


def test_a_write_to_the_input_register_is_acknowledged_and_does_nothing(pins: Pins) -> None:
    pins.write(INPUT, 0x00)
    assert pins.read(INPUT) == 0x0F
    assert pins.changes == []


def test_each_data_byte_of_one_transfer_reaches_the_pins(pins: Pins) -> None:
    pins.write(OUTPUT, 0xFF)
    pins.write(CONFIGURATION, 0x7F)
    pins.write(OUTPUT, 0x7F, 0xFF)
    assert pins.changes == [(7, 0), (7, 1)]


def test_a_read_repeats_the_register_that_was_named_last(pins: Pins) -> None:
    pins.write(POLARITY)
    assert pins.chip.read(2, repeated_start=False) == b"\xf0\xf0"


def test_a_register_that_does_not_exist_is_not_acknowledged(pins: Pins) -> None:
    for register in (0x04, 0x18, 0x80, 0xFF):
        with pytest.raises(Nack) as nack:
            pins.write(register, 0x00)
        assert nack.value.position == 1
    assert pins.changes == []


def test_a_line_held_from_outside_does_not_follow_the_chip(pins: Pins) -> None:
    pins.chip.held_outside[2] = 0
    pins.chip.settle()
    pins.write(POLARITY, 0x00)
    pins.write(OUTPUT, 0xFF)
    pins.write(CONFIGURATION, 0x00)
    assert pins.read(OUTPUT) == 0xFF
    assert pins.read(INPUT) == 0xFB
    assert pins.changes == [(2, 0)]


def test_losing_power_brings_back_the_registers_of_power_up(pins: Pins) -> None:
    pins.write(POLARITY, 0x00)
    pins.write(OUTPUT, 0xFE)
    pins.write(CONFIGURATION, 0x00)
    pins.chip.power_up()
    assert pins.chip.registers() == {INPUT: 0x0F, OUTPUT: 0x00, POLARITY: 0xF0, CONFIGURATION: 0xFF}
    assert pins.changes[-1] == (0, 1)


def test_an_unmodified_smbus_client_sees_the_same_registers() -> None:
    smbus = InProcessBoard().smbus()
    smbus.write_byte_data(0x18, OUTPUT, 0x08)
    assert smbus.read_byte_data(0x18, OUTPUT) == 0x08
    smbus.write_byte(0x18, POLARITY)
    assert smbus.read_byte(0x18) == 0xF0
    answer = i2c_msg.read(0x18, 2)
    smbus.i2c_rdwr(i2c_msg.write(0x18, [CONFIGURATION]), answer)
    assert bytes(answer) == b"\xff\xff"
    assert smbus.read_i2c_block_data(0x18, OUTPUT, 2) == [0x08, 0x08]
    smbus.write_i2c_block_data(0x18, OUTPUT, [0x01, 0x02])
    assert smbus.read_byte_data(0x18, OUTPUT) == 0x02


def test_an_unknown_address_and_an_unknown_register_fail_as_on_linux() -> None:
    smbus = InProcessBoard().smbus()
    for address, register in ((0x19, OUTPUT), (0x18, 0x04)):
        with pytest.raises(OSError, match="did not acknowledge") as error:
            smbus.write_byte_data(address, register, 0xFF)
        assert error.value.errno == errno.EREMOTEIO


def test_a_transfer_that_the_bus_does_not_offer_is_refused_in_words() -> None:
    smbus = InProcessBoard().smbus()
    with pytest.raises(OSError, match="does not offer") as error:
        smbus.read_word_data(0x18, OUTPUT)
    assert error.value.errno == errno.EOPNOTSUPP
    with pytest.raises(OSError, match="a write, a read or both"):
        smbus.i2c_rdwr(i2c_msg.read(0x18, 1), i2c_msg.write(0x18, [OUTPUT]))
