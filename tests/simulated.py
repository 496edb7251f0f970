"""A simulated board as a process, for tests: start it, upset it, read its trace."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent


class SimulatedBoard:
    """One `python -m hardware.simulator` in a directory of its own, with its trace in a file."""

    def __init__(self, data: Path, *, name: str = "demo", scale: float = 20.0) -> None:
        self.data, self.name = data, name
        self.trace_file = data / f"{name}.trace"
        self.environment = {**os.environ, "NANOPORTAL_TIME_SCALE": str(scale), "PYTHONPATH": str(PROJECT)}
        data.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hardware.simulator", "--data", data, "--board", name, "--trace", self.trace_file],
            stdout=subprocess.PIPE,
            env=self.environment,
            cwd=PROJECT,
        )
        assert self.process.stdout is not None
        self.addresses: dict[str, Any] = json.loads(self.process.stdout.readline())

    def ctl(self, *words: str) -> Any:
        """Say something to the board's control socket; the answer, parsed."""
        answer = subprocess.run(
            [sys.executable, "-m", "hardware.simulator", "ctl", "--data", self.data, "--board", self.name, *words],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=PROJECT,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
        return json.loads(answer.stdout) if answer.stdout.strip() else None

    def trace(self) -> list[dict[str, Any]]:
        """Every trace entry so far."""
        return [json.loads(line) for line in self.trace_file.read_text().splitlines()]

    def levels(self, line: int) -> list[int]:
        """The levels that `line` took, in order."""
        return [entry["level"] for entry in self.trace() if entry.get("line") == line and "level" in entry]

    def power(self, slot: int) -> str:
        return str(self.ctl("state")["slots"][str(slot)]["power"])

    def wait_until(self, question: Any, seconds: float = 10.0) -> None:
        """Wait for `question()`; fails when it stays false."""
        deadline = time.monotonic() + seconds
        while not question():
            assert time.monotonic() < deadline, "the board did not get there in time"
            time.sleep(0.02)

    def write_board_file(self, folder: Path) -> Path:
        """The board file that points at this simulator."""
        lines = [f'name = "{self.name}"', 'supply = "usb-c-60"', "simulated = true", "", "[i2c]"]
        bus = self.addresses["i2c"]
        lines += [f'bus = "{bus}"', 'expander = "0x18"', "", "[switch]", f'bus = "{bus}"', 'address = "0x5C"', ""]
        for slot in range(1, 8):
            lines += [f"[slots.{slot}]", f"line = {slot}", f"port = {8 - slot}"]
            if str(slot) in self.addresses["uarts"]:
                lines.append(f'uart = "{self.addresses["uarts"][str(slot)]}"')
            lines.append("")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.toml"
        path.write_text("\n".join(lines))
        return path

    def stop(self) -> None:
        """End the process; waits for it."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        if self.process.stdout:
            self.process.stdout.close()
