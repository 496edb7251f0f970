"""The same eight lines through the kernel's GPIO character device, for when a kernel driver owns the expander.

UNVERIFIED on hardware: tested against a stand-in for `gpiod`, request by request. The kernel's pca953x driver
(drivers/gpio/gpio-pca953x.c) writes the output register before the direction and leaves a line as it is when its
request ends; it caches the output register, so nobody may write to the chip behind its back.

A loss of the board's power cannot be seen from here.
"""

import os
import threading
from pathlib import Path
from types import ModuleType
from typing import Any

from hardware.contracts import DriveReport, ExpanderRegisters, Level
from hardware.errors import DeviceNotFound, LineStuck, LineUnavailable

CONSUMER = "nanoportal"
CHIP = "pca9557"
#: Newer kernels label the chip by bus and address ("1-0018"), older ones by its name (drivers/gpio/gpio-pca953x.c).
CHIP_SUFFIX = "-0018"
LINES = 8


class GpioChipExpander:
    """`Expander` over gpiod v2. Each driven line is held by a request of its own until `let_go` or `close`.

    One process at a time can hold a line; another that wants it gets LineUnavailable.
    """

    def __init__(self, gpiod: ModuleType, path: str) -> None:
        self._gpiod = gpiod
        self._path = path
        self._requests: dict[int, Any] = {}
        self._guard = threading.Lock()

    @classmethod
    def open(cls, label: str, devices: Path = Path("/dev")) -> "GpioChipExpander":
        """Finds the chip by its label, since its number differs from image to image. Raises DeviceNotFound.

        The label "pca9557" also stands for the name that newer kernels give the chip at address 0x18.
        """
        import gpiod

        seen = []
        for path in sorted(devices.glob("gpiochip*")):
            found = _label(gpiod, str(path))
            if found == label or (label == CHIP and found.endswith(CHIP_SUFFIX)):
                return cls(gpiod, str(path))
            seen.append(found)
        raise DeviceNotFound(f"A GPIO chip labelled {label} (this machine has: {', '.join(seen) or 'none'})")

    def drive(self, line: int, level: Level) -> DriveReport:
        with self._guard:
            request = self._requests.get(line)
            try:
                if request is None:
                    request = self._requests[line] = self._request(line, level)
                else:
                    request.set_value(line, self._value(level))
                seen = self._level(request.get_value(line))
            except OSError as error:
                raise LineUnavailable(line, os.strerror(error.errno or 0)) from error
        if seen is not level:
            raise LineStuck(line, level, seen)
        return DriveReport(line, seen, None)

    def read(self, line: int) -> Level:
        with self._guard:
            try:
                if line in self._requests:
                    return self._level(self._requests[line].get_value(line))
                with self._request(line, None) as request:
                    return self._level(request.get_value(line))
            except OSError as error:
                raise LineUnavailable(line, os.strerror(error.errno or 0)) from error

    def is_driven(self, line: int) -> bool:
        try:
            with self._gpiod.Chip(self._path) as chip:
                return bool(chip.get_line_info(line).direction == self._gpiod.line.Direction.OUTPUT)
        except OSError as error:
            raise LineUnavailable(line, os.strerror(error.errno or 0)) from error

    def let_go(self, line: int) -> None:
        with self._guard:
            request = self._requests.pop(line, None)
            if request is not None:
                request.release()

    def registers(self) -> ExpanderRegisters | None:
        return None

    def power_lost(self) -> bool | None:
        return None

    def forget(self) -> None:
        """Nothing is kept here."""

    def close(self) -> None:
        for line in range(LINES):
            self.let_go(line)

    def _request(self, line: int, level: Level | None) -> Any:
        """A request for one line: as an output at `level`, or, for None, as it is."""
        direction = self._gpiod.line.Direction
        if level is None:
            settings = self._gpiod.LineSettings(direction=direction.AS_IS)
        else:
            settings = self._gpiod.LineSettings(direction=direction.OUTPUT, output_value=self._value(level))
        return self._gpiod.request_lines(self._path, consumer=CONSUMER, config={line: settings})

    def _value(self, level: Level) -> Any:
        return self._gpiod.line.Value.ACTIVE if level else self._gpiod.line.Value.INACTIVE

    def _level(self, value: Any) -> Level:
        return Level.HIGH if value == self._gpiod.line.Value.ACTIVE else Level.LOW


def _label(gpiod: ModuleType, path: str) -> str:
    """A chip's label; empty for one that we may not open."""
    try:
        with gpiod.Chip(path) as chip:
            return str(chip.get_info().label)
    except OSError:
        return ""
