"""The simulated board's own test helper, running from the start, with the board file that points a portal at it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hardware.simulator import testing

PROJECT = Path(__file__).resolve().parent.parent


class SimulatedBoard(testing.SimulatedBoard):
    """A board process in a directory of its own; it serves when the constructor returns."""

    def __init__(
        self, data: Path, *, name: str = "demo", scale: float = 20.0, peers: dict[int, str] | None = None
    ) -> None:
        super().__init__(data, name, scale, peers)
        self.start()

    @property
    def trace_file(self) -> Path:
        return self.trace_path

    def levels(self, line: int) -> list[int]:
        """The levels that `line` took, in order."""
        return [entry["level"] for entry in self.edges(line)]

    def power(self, slot: int) -> str:
        """What the SOM in `slot` really does."""
        return str(self.slot(slot)["power"])

    def wait_for(self, question: Callable[[], Any], seconds: float = 10.0) -> None:
        """Wait until `question()` is true; fails when it stays false."""
        deadline = time.monotonic() + seconds
        while not question():
            assert time.monotonic() < deadline, "the board did not get there in time"
            time.sleep(0.02)

    def write_board_file(self, folder: Path) -> Path:
        """The board file that points at this simulator."""
        lines = [f'name = "{self.name}"', 'supply = "usb-c-60"', "simulated = true", "", "[i2c]"]
        lines += [f'bus = "{self.address}"', 'expander = "0x18"', ""]
        lines += ["[switch]", f'bus = "{self.address}"', 'address = "0x5C"', ""]
        for slot in range(1, 8):
            lines += [f"[slots.{slot}]", f"line = {slot}", f"port = {8 - slot}"]
            lines.append(f'usb = "{self.usb[slot]}"')
            if slot in self.uarts:
                lines.append(f'uart = "{self.uarts[slot]}"')
            lines.append("")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.toml"
        path.write_text("\n".join(lines))
        return path
