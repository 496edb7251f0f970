"""The I2C bus: every fault of the wire becomes a sentence, and only a NACK is tried again."""

import errno
from collections.abc import Callable

import pytest
from smbus2 import i2c_msg

from hardware.errors import BusError, BusUnavailable
from hardware.i2c import NACK_ERRNOS, TRIES, LinuxI2cBus


class FailingSmbus:
    """Fails with each of `numbers` in turn, then obeys."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = list(numbers)
        self.calls: list[tuple[str, int, int]] = []

    def _call(self, *call: object) -> None:
        self.calls.append(call)  # type: ignore[arg-type]
        if self._numbers:
            raise OSError(self._numbers.pop(0), "whatever the driver says")

    def read_byte_data(self, i2c_addr: int, register: int) -> int:
        self._call("read", i2c_addr, register)
        return 0x5A

    def write_byte_data(self, i2c_addr: int, register: int, value: int) -> None:
        self._call("write", i2c_addr, register, value)

    def i2c_rdwr(self, *i2c_msgs: i2c_msg) -> None:
        self._call("raw", i2c_msgs[0].addr, bytes(i2c_msgs[0]))

    def close(self) -> None:
        self._call("close")


USES: list[Callable[[LinuxI2cBus], object]] = [
    lambda bus: bus.read_byte(0x18, 3),
    lambda bus: bus.write_byte(0x18, 1, 8),
]
RAW_USES: list[Callable[[LinuxI2cBus], object]] = [
    lambda bus: bus.write(0x5C, b"\x07\x80"),
    lambda bus: bus.read(0x5C, 2),
]


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("number", sorted(NACK_ERRNOS))
def test_a_nack_is_tried_again_up_to_three_times(use: Callable[[LinuxI2cBus], object], number: int) -> None:
    smbus = FailingSmbus(*[number] * (TRIES - 1))
    use(LinuxI2cBus(smbus))
    assert len(smbus.calls) == 3
    smbus = FailingSmbus(*[number] * TRIES)
    with pytest.raises(BusError, match=r"did not answer \(NACK\)") as caught:
        use(LinuxI2cBus(smbus))
    assert caught.value.nack
    assert len(smbus.calls) == 3


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("number", [errno.ETIMEDOUT, errno.EIO, errno.EAGAIN, errno.EBUSY])
def test_any_other_fault_is_reported_at_once(use: Callable[[LinuxI2cBus], object], number: int) -> None:
    smbus = FailingSmbus(number)
    with pytest.raises(BusError) as caught:
        use(LinuxI2cBus(smbus))
    assert not caught.value.nack
    assert len(smbus.calls) == 1


@pytest.mark.parametrize("use", RAW_USES)
def test_a_raw_transfer_is_never_repeated(use: Callable[[LinuxI2cBus], object]) -> None:
    smbus = FailingSmbus(errno.ENXIO)
    with pytest.raises(BusError) as caught:
        use(LinuxI2cBus(smbus))
    assert caught.value.nack
    assert len(smbus.calls) == 1


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.EBUSY, "a kernel driver owns this address; name the chip as gpiochip:LABEL in the board file instead"),
        (errno.ETIMEDOUT, "the transfer timed out"),
        (errno.EIO, "Input/output error"),
        (0, "whatever the driver says"),
    ],
)
def test_the_sentence_names_address_register_and_reason(number: int, words: str) -> None:
    with pytest.raises(BusError) as caught:
        LinuxI2cBus(FailingSmbus(number)).read_byte(0x18, 3)
    assert words in str(caught.value)
    assert str(caught.value).startswith("The I2C bus failed at address 0x18, register 0x03: ")
    assert isinstance(caught.value.__cause__, OSError)


def test_single_registers_go_through_the_kernels_check_for_a_bound_driver() -> None:
    # Only SMBus transfers set the slave address and so meet EBUSY; raw messages would reach the chip all the same.
    smbus = FailingSmbus()
    bus = LinuxI2cBus(smbus)
    bus.write_byte(0x18, 1, 8)
    assert bus.read_byte(0x18, 1) == 0x5A
    assert smbus.calls == [("write", 0x18, 1, 8), ("read", 0x18, 1)]


def test_raw_transfers_carry_their_bytes_as_they_are() -> None:
    smbus = FailingSmbus()
    bus = LinuxI2cBus(smbus)
    bus.write(0x5C, b"\x07\x80\x00\x01")
    assert bus.read(0x5C, 2) == b"\0\0"
    assert smbus.calls == [("raw", 0x5C, b"\x07\x80\x00\x01"), ("raw", 0x5C, b"\0\0")]


def test_closing_the_bus_closes_the_device() -> None:
    smbus = FailingSmbus()
    LinuxI2cBus(smbus).close()
    assert smbus.calls == [("close",)]


def test_a_bus_that_is_not_there_is_named() -> None:
    with pytest.raises(BusUnavailable, match=r"The I2C bus /dev/i2c-977 is not available: No such file or directory\."):
        LinuxI2cBus.open("/dev/i2c-977")
