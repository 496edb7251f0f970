"""The record of a pressed button line: on disk before the line goes low, gone once it is verified high.

A process that dies in the middle of a press leaves the line low and the SOM dead. Whoever starts next finds the record
and releases the line, with nothing but this file and the board's expander: no database, no broker. What was released is
kept as a second record until the portal has taken note of it, since a press that was cut short (or drawn out) may have
changed what is believed of the SOM.

Plain standard library, since the supervisor calls it before anything else runs.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from hardware.clock import SystemClock
from hardware.contracts import Clock, Expander, Level
from hardware.errors import HardwareError
from hardware.records import remove_record, write_record

BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True)
class HoldOwner:
    """Who presses: a worker's name, the id of this run of it, and the file it holds an flock on while it lives.

    The lock file has to contain the instance id.
    """

    worker: str
    instance: str
    lock_file: str


@dataclass(frozen=True)
class Hold:
    """One press in progress. `since_seconds` is on the monotonic clock of the boot named by `boot_id`.

    `bus` and `expander` are the addresses that open the expander again.
    """

    board: str
    slot: int
    line: int
    bus: str
    expander: str
    owner: HoldOwner
    planned_seconds: float
    since_seconds: float
    boot_id: str

    @classmethod
    def parsed(cls, text: str) -> Self:
        """Raises ValueError for anything that `HoldStore` did not write."""
        try:
            content = json.loads(text)
            return cls(**{**content, "owner": HoldOwner(**content["owner"])})
        except (TypeError, KeyError) as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True)
class ReleasedHold:
    """A left-over press that was released. `held_seconds` is None when the machine has booted in between."""

    hold: Hold
    held_seconds: float | None


@dataclass(frozen=True)
class UnreleasedHold:
    """A left-over press that is still on record, and in one sentence why."""

    file: str
    reason: str


@dataclass(frozen=True)
class LeftOverReport:
    released: tuple[ReleasedHold, ...] = ()
    unreleased: tuple[UnreleasedHold, ...] = ()


class LineHold:
    """The record of one line's presses, as the sequencer needs it."""

    def __init__(self, store: "HoldStore", unpressed: Hold) -> None:
        self._store = store
        self._unpressed = unpressed

    def begin(self, planned_seconds: float, since_seconds: float) -> None:
        """Puts the press on disk; returns when it is there. Raises RecordUnwritable."""
        pressed = Hold(**{**vars(self._unpressed), "planned_seconds": planned_seconds, "since_seconds": since_seconds})
        self._store.write(pressed)

    def end(self) -> None:
        """Removes the record; the line must have been verified high. Raises RecordUnwritable."""
        self._store.remove(self._unpressed.board, self._unpressed.slot)


class HoldStore:
    """`DATA/holds`: `<board>-<slot>.json` for each press, `<board>-<slot>.<n>.released` for each that was swept up."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def line(self, board: str, slot: int, line: int, *, bus: str, expander: str, owner: HoldOwner) -> LineHold:
        """The record for the presses of one line."""
        return LineHold(self, Hold(board, slot, line, bus, expander, owner, 0.0, 0.0, boot_id()))

    def write(self, hold: Hold) -> None:
        """Puts a press on disk. Raises RecordUnwritable."""
        write_record(self._path(hold.board, hold.slot), asdict(hold), durable=True)

    def remove(self, board: str, slot: int) -> None:
        """Raises RecordUnwritable."""
        remove_record(self._path(board, slot))

    def holds(self) -> tuple[Hold, ...]:
        """All presses on record that can be understood."""
        found = []
        for path in self._files("*.json"):
            with contextlib.suppress(OSError, ValueError):
                found.append(Hold.parsed(path.read_text(encoding="utf-8")))
        return tuple(found)

    def release_left_over(
        self,
        open_expander: Callable[[Hold], Expander],
        is_dead: Callable[[Hold], bool] | None = None,
        clock: Clock | None = None,
    ) -> LeftOverReport:
        """Drives every line high whose presser is dead, then forgets the press. Blocks for milliseconds per line.

        One hold that cannot be read or released keeps its record and never keeps another from its release. Nothing is
        raised: the report says what happened.
        """
        dead = is_dead or (lambda hold: owner_is_dead(hold.owner))
        released: list[ReleasedHold] = []
        unreleased: list[UnreleasedHold] = []
        for path in self._files("*.json"):
            try:
                hold = Hold.parsed(path.read_text(encoding="utf-8"))
                if dead(hold):
                    released.append(self._release(hold, open_expander, clock or SystemClock()))
            except FileNotFoundError:
                continue  # its owner ended the press between our two looks
            except (HardwareError, OSError, ValueError) as error:
                unreleased.append(UnreleasedHold(str(path), str(error)))
        return LeftOverReport(tuple(released), tuple(unreleased))

    def released(self) -> dict[Path, ReleasedHold]:
        """What was swept up and not yet taken note of, by the file to give to `acknowledge`."""
        found = {}
        for path in self._files("*.released"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                content = json.loads(path.read_text(encoding="utf-8"))
                hold = Hold.parsed(json.dumps(content["hold"]))
                found[path] = ReleasedHold(hold, content["held_seconds"])
        return found

    def acknowledge(self, path: Path) -> None:
        """Forgets one that `released` named, once the portal has recorded it. Raises RecordUnwritable."""
        remove_record(path)

    def _release(self, hold: Hold, open_expander: Callable[[Hold], Expander], clock: Clock) -> ReleasedHold:
        expander = open_expander(hold)
        try:
            expander.drive(hold.line, Level.HIGH)
        finally:
            expander.close()
        same_boot = hold.boot_id == boot_id()
        swept = ReleasedHold(hold, clock.monotonic() - hold.since_seconds if same_boot else None)
        # Noted before it is forgotten: to be told twice is better than never.
        note = self._directory / f"{hold.board}-{hold.slot}.{hold.since_seconds * 1e6:.0f}.released"
        write_record(note, asdict(swept), durable=True)
        self.remove(hold.board, hold.slot)
        return swept

    def _path(self, board: str, slot: int) -> Path:
        return self._directory / f"{board}-{slot}.json"

    def _files(self, pattern: str) -> list[Path]:
        return sorted(self._directory.glob(pattern))


def owner_is_dead(owner: HoldOwner) -> bool:
    """Whether a press's owner no longer runs: its lock can be had, or another instance wrote its id into the file.

    The lock is taken, shared, for an instant. A worker that starts in that instant must try more than once.
    """
    try:
        descriptor = os.open(owner.lock_file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        if owner.instance not in os.read(descriptor, 4096).decode(errors="replace"):
            return True
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def boot_id() -> str:
    """The id of this boot of the machine (random(4))."""
    return BOOT_ID_FILE.read_text(encoding="ascii").strip()
