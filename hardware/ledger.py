"""What we last left in a board's expander, on disk: the memory that outlives processes and the board's power.

From it two questions are answered: has the board lost power (the chip forgot outputs that we had made), and has
somebody else written to the chip since?
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Self

from hardware.contracts import ForeignChange
from hardware.records import write_record


@dataclass(frozen=True)
class LedgerEntry:
    """Register bytes, bit n for line n; None where we have not been yet.

    `pending_line` is the line that was about to be driven: if its process died there, nobody knows which value that
    line's bits have; `turning` says that it was no output of ours before. `power_lost` stays set from when a loss was
    noticed until it has been dealt with.
    """

    made_outputs: int = 0
    outputs: int | None = None
    configuration: int | None = None
    pending_line: int | None = None
    power_lost: bool = False
    turning: bool = False

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Raises ValueError for anything that `LineLedger.write` did not write."""
        content = json.loads(text)
        try:
            entry = cls(**content)
        except TypeError as error:
            raise ValueError(str(error)) from error
        registers = (entry.made_outputs, entry.outputs, entry.configuration, entry.pending_line)
        if not all(value is None or (isinstance(value, int) and 0 <= value <= 0xFF) for value in registers):
            raise ValueError("a register is not a byte")
        return entry

    def settled(self, configuration: int) -> "LedgerEntry":
        """The entry without the doubt that a process left which died while it made a line an output: that line is ours
        if the chip has it as one. Else the chip looks as after a loss of power, and there was none."""
        if not self.turning or self.pending_line is None:
            return self
        made = self.made_outputs if not configuration >> self.pending_line & 1 else self._without(self.pending_line)
        return replace(self, made_outputs=made, turning=False)

    def _without(self, line: int) -> int:
        return self.made_outputs & ~(1 << line)

    def shows_power_loss(self, configuration: int) -> bool:
        """Whether the chip has come up afresh: after power-up every line is an input (NXP PCA9557, register 3)."""
        return bool(self.made_outputs) and configuration & self.made_outputs == self.made_outputs

    def foreign_changes(self, outputs: int, configuration: int) -> tuple[ForeignChange, ...]:
        """What differs from the registers as we left them, the pending line excepted."""
        known = 0xFF if self.pending_line is None else 0xFF & ~(1 << self.pending_line)
        pairs = (("output", self.outputs, outputs), ("configuration", self.configuration, configuration))
        return tuple(
            ForeignChange(name, expected, found)
            for name, expected, found in pairs
            if expected is not None and (expected ^ found) & known
        )

    def about_to_drive(self, line: int, outputs: int, configuration: int, *, lost: bool) -> "LedgerEntry":
        """The entry to be on disk before `line` is touched; the registers are what they shall be afterwards."""
        return LedgerEntry(
            made_outputs=self.made_outputs | 1 << line,
            outputs=outputs,
            configuration=configuration,
            pending_line=line,
            power_lost=self.power_lost or lost,
            turning=not self.made_outputs >> line & 1,
        )

    def left_at(self, outputs: int, configuration: int) -> "LedgerEntry":
        """The entry once the drive has been read back."""
        return replace(self, outputs=outputs, configuration=configuration, pending_line=None, turning=False)


class LineLedger:
    """The ledger of one board, one file. Whoever uses it holds the board's BusLock."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> LedgerEntry | None:
        """The entry; an empty one if there is no file, None if the file cannot be understood.

        A damaged ledger must not keep a pressed button pressed, so it is no error: it only answers no questions.
        """
        try:
            return LedgerEntry.parsed(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return LedgerEntry()
        except (OSError, ValueError):
            return None

    def write(self, entry: LedgerEntry, *, durable: bool) -> None:
        """Replaces the entry in one step. Raises RecordUnwritable."""
        write_record(self._path, asdict(entry), durable=durable)
