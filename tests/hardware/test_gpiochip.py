"""The expander through the kernel's GPIO device, against a stand-in for `gpiod`: what is requested, and for how long.

UNVERIFIED on hardware.
"""

import enum
import errno
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import gpiod
import pytest

from hardware.clock import VirtualClock
from hardware.contracts import Level
from hardware.errors import DeviceNotFound, LineStuck, LineUnavailable
from hardware.gpiochip import GpioChipExpander
from hardware.holds import HoldOwner, HoldStore
from hardware.sequencer import Stop, run
from hardware.sequences import reset_sequence
from hardware.som import CM4, CM5, PowerState, ResetType


class Direction(enum.Enum):
    AS_IS = 1
    INPUT = 2
    OUTPUT = 3


class Value(enum.Enum):
    INACTIVE = 0
    ACTIVE = 1


class FakeKernel:
    """Chips with lines; remembers every request and refuses a second one for the same line, as the kernel does."""

    def __init__(self) -> None:
        self.labels: dict[str, str] = {}
        self.levels = dict.fromkeys(range(8), Value.ACTIVE)
        self.outputs: set[int] = set()
        self.taken: set[int] = set()
        self.stuck: set[int] = set()
        self.log: list[str] = []

    def module(self) -> ModuleType:
        fake: Any = ModuleType("gpiod")
        fake.Chip = lambda path: FakeChip(self, path)
        fake.LineSettings = SimpleNamespace
        fake.line = SimpleNamespace(Direction=Direction, Value=Value)
        fake.request_lines = lambda path, consumer, config: FakeRequest(self, path, consumer, config)
        module: ModuleType = fake
        return module


class FakeChip:
    def __init__(self, kernel: FakeKernel, path: str) -> None:
        if Path(path).name not in kernel.labels:
            raise OSError(errno.EACCES, "Permission denied")
        self._kernel = kernel
        self._path = path

    def __enter__(self) -> "FakeChip":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def get_info(self) -> SimpleNamespace:
        return SimpleNamespace(label=self._kernel.labels[Path(self._path).name])

    def get_line_info(self, line: int) -> SimpleNamespace:
        return SimpleNamespace(direction=Direction.OUTPUT if line in self._kernel.outputs else Direction.INPUT)


class FakeRequest:
    def __init__(self, kernel: FakeKernel, path: str, consumer: str, config: dict[int, Any]) -> None:
        ((self._line, settings),) = config.items()
        if self._line in kernel.taken:
            raise OSError(errno.EBUSY, "Device or resource busy")
        self._kernel = kernel
        kernel.taken.add(self._line)
        level = ""
        if settings.direction is Direction.OUTPUT:
            kernel.outputs.add(self._line)
            self._set(settings.output_value)
            level = f" {settings.output_value.name}"
        kernel.log.append(f"request {Path(path).name} {self._line} {settings.direction.name}{level} for {consumer}")

    def __enter__(self) -> "FakeRequest":
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def set_value(self, line: int, value: Value) -> None:
        self._set(value)
        self._kernel.log.append(f"set {line} {value.name}")

    def get_value(self, line: int) -> Value:
        return self._kernel.levels[line]

    def release(self) -> None:
        self._kernel.taken.remove(self._line)
        self._kernel.log.append(f"release {self._line}")

    def _set(self, value: Value) -> None:
        if self._line not in self._kernel.stuck:
            self._kernel.levels[self._line] = value


@pytest.fixture
def kernel(tmp_path: Path) -> FakeKernel:
    kernel = FakeKernel()
    for number, label in enumerate(["raspberrypi-exp-gpio", "1-0018", "pinctrl-rp1"]):
        name = f"gpiochip{number}"
        (tmp_path / name).touch()
        kernel.labels[name] = label
    return kernel


@pytest.fixture
def expander(kernel: FakeKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GpioChipExpander:
    monkeypatch.setitem(sys.modules, "gpiod", kernel.module())
    return GpioChipExpander.open("1-0018", tmp_path)


def test_the_chip_is_found_by_its_label_whatever_its_number(kernel: FakeKernel, expander: GpioChipExpander) -> None:
    expander.drive(3, Level.HIGH)
    assert kernel.log == ["request gpiochip1 3 OUTPUT ACTIVE for nanoportal"]


@pytest.mark.parametrize("label", ["1-0018", "3-0018", "pca9557"])
def test_the_chips_own_name_stands_for_whatever_a_kernel_calls_it(
    kernel: FakeKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", kernel.module())
    kernel.labels["gpiochip1"] = label
    GpioChipExpander.open("pca9557", tmp_path)


def test_a_label_that_no_chip_has_is_answered_with_those_that_there_are(
    kernel: FakeKernel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "gpiod", kernel.module())
    with pytest.raises(DeviceNotFound, match="this machine has: raspberrypi-exp-gpio, 1-0018, pinctrl-rp1"):
        GpioChipExpander.open("pca9555", tmp_path)


def test_level_and_direction_are_requested_together(kernel: FakeKernel, expander: GpioChipExpander) -> None:
    report = expander.drive(3, Level.LOW)
    assert kernel.log == ["request gpiochip1 3 OUTPUT INACTIVE for nanoportal"]
    assert (report.level, report.registers) == (Level.LOW, None)


def test_a_level_line_keeps_its_request_open(kernel: FakeKernel, expander: GpioChipExpander) -> None:
    for reset_type in (ResetType.FORCE_OFF, ResetType.FORCE_RESTART):
        run(
            reset_sequence(CM4, reset_type, PowerState.ON),
            line=2,
            expander=expander,
            clock=VirtualClock(),
            stop=Stop(),
            hold=None,
            observed=lambda: PowerState.UNKNOWN,
        )
    assert kernel.log == ["request gpiochip1 2 OUTPUT INACTIVE for nanoportal", "set 2 INACTIVE", "set 2 ACTIVE"]
    assert kernel.taken == {2}


def test_a_button_lines_request_ends_with_its_press(
    kernel: FakeKernel, expander: GpioChipExpander, tmp_path: Path
) -> None:
    owner = HoldOwner("worker", "one", "/nowhere")
    run(
        reset_sequence(CM5, ResetType.ON, PowerState.OFF),
        line=3,
        expander=expander,
        clock=VirtualClock(),
        stop=Stop(),
        hold=HoldStore(tmp_path / "holds").line("b1", 3, 3, bus="/dev/i2c-1", expander="gpiochip:x", owner=owner),
        observed=lambda: PowerState.UNKNOWN,
    )
    assert kernel.log == ["request gpiochip1 3 OUTPUT INACTIVE for nanoportal", "set 3 ACTIVE", "release 3"]
    assert kernel.levels[3] is Value.ACTIVE
    assert kernel.taken == set()


def test_a_line_that_nobody_drives_is_read_as_it_is(kernel: FakeKernel, expander: GpioChipExpander) -> None:
    assert expander.read(5) is Level.HIGH
    assert kernel.log == ["request gpiochip1 5 AS_IS for nanoportal", "release 5"]
    assert not expander.is_driven(5)


def test_a_line_that_we_drive_is_read_through_its_own_request(kernel: FakeKernel, expander: GpioChipExpander) -> None:
    expander.drive(5, Level.LOW)
    assert expander.read(5) is Level.LOW
    assert expander.is_driven(5)
    assert len(kernel.log) == 1


def test_a_line_that_another_program_holds_is_not_available(kernel: FakeKernel, expander: GpioChipExpander) -> None:
    kernel.taken.add(5)
    with pytest.raises(LineUnavailable, match=r"Line 5 is not available: Device or resource busy\."):
        expander.drive(5, Level.LOW)
    with pytest.raises(LineUnavailable):
        expander.read(5)


def test_a_line_that_does_not_follow_is_stuck(kernel: FakeKernel, expander: GpioChipExpander) -> None:
    kernel.stuck.add(6)
    with pytest.raises(LineStuck, match="Line 6 was driven low but reads high"):
        expander.drive(6, Level.LOW)


def test_what_the_kernel_hides_is_not_guessed(expander: GpioChipExpander) -> None:
    assert expander.power_lost() is None
    assert expander.registers() is None
    expander.forget()


def test_closing_gives_all_lines_back(kernel: FakeKernel, expander: GpioChipExpander) -> None:
    expander.drive(2, Level.LOW)
    expander.drive(4, Level.HIGH)
    expander.close()
    assert kernel.taken == set()
    expander.let_go(2)  # nothing left to give up


def test_the_real_module_has_all_that_the_stand_in_pretends_to_have() -> None:
    assert set(vars(gpiod.line.Direction)) >= {"AS_IS", "OUTPUT"}
    assert set(vars(gpiod.line.Value)) >= {"ACTIVE", "INACTIVE"}
    for name in ("set_value", "get_value", "release", "__enter__", "__exit__"):
        assert hasattr(gpiod.LineRequest, name)
    for name in ("get_info", "get_line_info", "__enter__", "__exit__"):
        assert hasattr(gpiod.Chip, name)
    gpiod.LineSettings(direction=gpiod.line.Direction.OUTPUT, output_value=gpiod.line.Value.ACTIVE)
    with pytest.raises(OSError, match="No such file"):
        gpiod.request_lines("/dev/gpiochip977", consumer="x", config={3: gpiod.LineSettings()})
