"""NXP PCA9557: the eight reset lines of the board, driven through its registers.

Source of everything here: NXP's PCA9557 data sheet (its register descriptions), and the vendor's wiring: bit 0 resets
the switch chip, bits 1 to 7 slots 1 to 7, low asserts.
"""

import contextlib
from collections.abc import Callable

from hardware.buslock import BusLock
from hardware.contracts import DriveReport, ExpanderRegisters, ForeignChange, I2cBus, Level
from hardware.errors import LineStuck, RecordUnwritable, VerifyMismatch
from hardware.ledger import LedgerEntry, LineLedger

INPUT = 0x00  # the pins, XORed with POLARITY
OUTPUT = 0x01  # the flip-flops; 0x00 after power-up
POLARITY = 0x02  # 0xF0 after power-up
CONFIGURATION = 0x03  # 1 = input, 0 = output; 0xFF after power-up

LINES = range(8)


class Pca9557:
    """`Expander` over the chip's registers. Many processes, and several threads of each, may use the chip.

    Each call is one transaction under the bus's lock. A line is given its level before its direction, because the
    output register is 0x00 after power-up: the other order would assert a reset. No call changes another line's bit,
    and what somebody else changed is reported through `on_foreign`, once, and left as it is.
    """

    def __init__(
        self,
        bus: I2cBus,
        address: int,
        lock: BusLock,
        ledger: LineLedger,
        on_foreign: Callable[[ForeignChange], None] = lambda change: None,
    ) -> None:
        self._bus = bus
        self._address = address
        self._lock = lock
        self._ledger = ledger
        self._on_foreign = on_foreign

    def drive(self, line: int, level: Level) -> DriveReport:
        _require_line(line)
        foreign: list[ForeignChange] = []
        try:
            with self._lock.held():
                registers = self._drive_locked(line, level, foreign)
        finally:
            for change in foreign:
                self._on_foreign(change)
        return DriveReport(line, registers.pin(line), registers, tuple(foreign))

    def read(self, line: int) -> Level:
        _require_line(line)
        with self._lock.held():
            inputs, polarity = self._get(INPUT), self._get(POLARITY)
        return Level((inputs ^ polarity) >> line & 1)

    def is_driven(self, line: int) -> bool:
        _require_line(line)
        with self._lock.held():
            return not self._get(CONFIGURATION) >> line & 1

    def let_go(self, line: int) -> None:
        _require_line(line)

    def registers(self) -> ExpanderRegisters:
        with self._lock.held():
            return self._registers()

    def power_lost(self) -> bool | None:
        with self._lock.held():
            entry = self._ledger.read()
            if entry is None:
                return None
            configuration = self._get(CONFIGURATION)
            settled = entry.settled(configuration)
            if settled != entry:  # on disk, or a loss after this look would not show
                with contextlib.suppress(RecordUnwritable):
                    self._ledger.write(settled, durable=True)
            return settled.power_lost or settled.shows_power_loss(configuration)

    def forget(self) -> None:
        with self._lock.held():
            outputs, configuration = self._get(OUTPUT), self._get(CONFIGURATION)
            entry = self._ledger.read() or LedgerEntry()
            # What has been driven since the loss stays known, so that the next loss is noticed as well.
            made_outputs = entry.made_outputs & ~configuration
            self._ledger.write(LedgerEntry(made_outputs, outputs, configuration), durable=True)

    def close(self) -> None:
        self._bus.close()

    def _drive_locked(self, line: int, level: Level, foreign: list[ForeignChange]) -> ExpanderRegisters:
        outputs, configuration = self._get(OUTPUT), self._get(CONFIGURATION)
        wanted_outputs = _with_bit(outputs, line, level)
        wanted_configuration = _with_bit(configuration, line, Level.LOW)
        turns = wanted_configuration != configuration
        known = (self._ledger.read() or LedgerEntry()).settled(configuration)
        lost = known.shows_power_loss(configuration)
        if not lost:
            foreign += known.foreign_changes(outputs, configuration)
        entry = known.about_to_drive(line, wanted_outputs, wanted_configuration, lost=lost)
        self._announce(entry, durable=entry.made_outputs != known.made_outputs, needed=turns)

        self._bus.write_byte(self._address, OUTPUT, wanted_outputs)
        if turns:
            self._bus.write_byte(self._address, CONFIGURATION, wanted_configuration)

        seen = self._registers()
        foreign += entry.foreign_changes(seen.outputs, seen.configuration)
        # A disk that filled up meanwhile costs one comparison of this line, no more: the line is what matters now.
        with contextlib.suppress(RecordUnwritable):
            self._ledger.write(entry.left_at(seen.outputs, seen.configuration), durable=False)
        _verify(line, level, wanted_outputs, wanted_configuration, seen)
        return seen

    def _announce(self, entry: LedgerEntry, *, durable: bool, needed: bool) -> None:
        """Puts on disk what is about to be done. Raises RecordUnwritable if that is needed."""
        try:
            self._ledger.write(entry, durable=durable)
        except RecordUnwritable:
            # A full disk must not keep a button pressed: a line that is an output already may always be driven.
            if needed:
                raise

    def _registers(self) -> ExpanderRegisters:
        return ExpanderRegisters(
            outputs=self._get(OUTPUT),
            configuration=self._get(CONFIGURATION),
            polarity=self._get(POLARITY),
            inputs=self._get(INPUT),
        )

    def _get(self, register: int) -> int:
        return self._bus.read_byte(self._address, register)


def _require_line(line: int) -> None:
    if line not in LINES:
        raise ValueError(f"The expander has lines 0 to 7, not {line}.")


def _with_bit(byte: int, line: int, level: Level) -> int:
    return byte | 1 << line if level else byte & ~(1 << line)


def _verify(line: int, level: Level, outputs: int, configuration: int, seen: ExpanderRegisters) -> None:
    """Raises VerifyMismatch or LineStuck unless this line's own bits and pin are what was asked for."""
    if (seen.outputs ^ outputs) >> line & 1:
        raise VerifyMismatch("output", outputs, seen.outputs)
    if (seen.configuration ^ configuration) >> line & 1:
        raise VerifyMismatch("configuration", configuration, seen.configuration)
    if seen.pin(line) is not level:
        raise LineStuck(line, level, seen.pin(line))
