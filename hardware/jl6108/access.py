"""What every part of the JL6108's driver stands on: who answers, entries read and written, firmware asked to wait."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from hardware.clock import SystemClock
from hardware.contracts import Clock
from hardware.errors import BusError, ChipRefused, HardwareError
from hardware.jl6108 import registers
from hardware.jl6108.layout import Entry, Register, to_value
from hardware.jl6108.transport import LONGEST_BURST_WORDS, I2cBridge, WireMode
from hardware.switch_errors import RegisterDifference, RegistersDiffer

#: How long the firmware takes to see that it is to leave a register alone (section 4.4).
HANDS_OFF_SECONDS = 0.001

E = TypeVar("E", bound=Entry)


@dataclass(frozen=True)
class Identity:
    """`name` of the chip, its `eco` revision, and the raw boot state of its firmware."""

    name: str
    eco: int
    boot_state: int


class Access:
    """The bridge, behind the question who answers. All of it blocks for the bus: about 1 ms a word at 400 kHz.

    A chip that is not a JL6108 or JL6110, or whose firmware is not up, is refused before anything else is read or
    written: the addresses of other chips of the family differ. After a bus error it has to say again who it is.
    """

    def __init__(self, bridge: I2cBridge, clock: Clock | None = None) -> None:
        self._bridge = bridge
        self._clock = clock or SystemClock()
        self._name: str | None = None

    def is_present(self) -> bool:
        """Whether anything at all answers at the chip's address; writes nothing to it. Raises BusError."""
        return self._bridge.answers()

    def identify(self) -> str:
        """The chip's name, asked anew. Reads only. Raises BusError, ChipRefused."""
        return self.read_identity().name

    def read_identity(self) -> Identity:
        """Who the chip is, asked anew; finds out the byte order where it is not known. Reads only: 20 transfers.

        Raises BusError, ChipRefused.
        """
        self._name = None
        # The firmware fills in the version word only when it is up (section 1.1), so that a chip whose byte order is
        # known is asked for its boot state first.
        version = self._find_mode() if self._bridge.mode is None else None
        (boot_state,) = self._bridge.read_words(registers.BOOT_STATE.address)
        if not self._is_up(boot_state):
            raise ChipRefused(f"its firmware is not up (boot state 0x{boot_state:08X})")
        if version is None:
            (version,) = self._bridge.read_words(registers.CORE_VERSION.address)
        name = registers.chip_name(version)
        if name is None:
            raise ChipRefused(f"its version word 0x{version:08X} is not that of a JL6108 or JL6110")
        self._name = name
        return Identity(name, registers.CORE_VERSION.get(version, "eco"), boot_state)

    def read_words(self, address: int, count: int = 1) -> tuple[int, ...]:
        """1 to 16 words as they are. Raises BusError, ChipRefused; ValueError for another count."""
        with self._known():
            return self._bridge.read_words(address, count)

    def write_words(self, address: int, words: Sequence[int]) -> None:
        """Writes 1 to 16 words as they are, reading nothing back. Raises BusError, ChipRefused; ValueError."""
        with self._known():
            self._bridge.write_words(address, tuple(words))

    def bring_into_step(self) -> None:
        """To be called before the first write after a writer died; see I2cBridge. Raises BusError, ChipRefused."""
        with self._known():
            self._bridge.bring_into_step()

    def close(self) -> None:
        self._bridge.close()

    @contextmanager
    def _known(self) -> Iterator[None]:
        if self._name is None:
            self.read_identity()
        try:
            yield
        except BusError:
            # Whatever answers next has to say again who it is.
            self._name = None
            raise

    def _get(self, register: Register, index: int = 0) -> int:
        return to_value(self.read_words(register.at(index), register.words))

    def _put(self, register: Register, index: int, value: int, *, verify: bool = False) -> None:
        self.write_words(register.at(index), register.to_words(value))
        if verify:
            self._verify(register, value, index)

    def _modify(self, register: Register, index: int = 0, **fields: int) -> tuple[int, int]:
        """Changes fields of one entry and no other bit of it; returns the entry before and after."""
        return self._edit(register, index, lambda value: register.put(value, **fields))

    def _edit(self, register: Register, index: int, edit: Callable[[int], int]) -> tuple[int, int]:
        """Reads, edits and writes one entry in one hold of the bus; returns the entry before and after."""
        with self._known():
            before, after = self._bridge.modify_words(
                register.at(index), register.words, lambda words: register.to_words(edit(to_value(words)))
            )
        return to_value(before), to_value(after)

    def _verify(self, register: Register, value: int, index: int = 0, *, ignoring: int = 0) -> None:
        """Raises RegistersDiffer if the entry does not hold `value`, bits of `ignoring` aside; BusError."""
        self._require_same([(register, index, value & ~ignoring, self._get(register, index) & ~ignoring)])

    @staticmethod
    def _require_same(comparisons: Iterable[tuple[Register, int, int, int]]) -> None:
        """Takes register, index, what was written and what was read; raises RegistersDiffer naming every word."""
        differences = tuple(
            RegisterDifference(register.named(index), register.at(index) + 4 * number, wrote, read)
            for register, index, wanted, found in comparisons
            for number, (wrote, read) in enumerate(
                zip(register.to_words(wanted), register.to_words(found), strict=True)
            )
            if wrote != read
        )
        if differences:
            raise RegistersDiffer(differences)

    def _get_run(self, register: Register, first: int, count: int) -> Iterator[int]:
        """`count` consecutive entries that lie without gaps, in bursts of whole entries; gives way between bursts."""
        per_burst = LONGEST_BURST_WORDS // register.words
        for start in range(first, first + count, per_burst):
            if start != first:
                self._bridge.give_way()
            entries = min(per_burst, first + count - start)
            words = self.read_words(register.at(start), entries * register.words)
            for number in range(entries):
                yield to_value(words[number * register.words : (number + 1) * register.words])

    @contextmanager
    def _hands_off(self, bits: int, *, then: bool | None = None) -> Iterator[None]:
        """While inside, the chip's firmware leaves the registers of these jobs alone (section 4.4).

        After it, the jobs stay suspended (`then` True), go on (False), or are as they were before, which they are after
        an error in any case. The mailbox is read anew, so that others' bits are not lost (section 25 item 4). Should
        that fail after another error, that error is kept and this one hung on it as `release_error`.
        """
        before = self._set_hands_off(bits, bits)
        try:
            self._clock.wait(HANDS_OFF_SECONDS)
            yield
        except BaseException as error:
            try:
                self._set_hands_off(bits, before)
            except HardwareError as second:
                if isinstance(error, HardwareError):
                    error.release_error = second
            raise
        if not then:
            self._set_hands_off(bits, before if then is None else 0)

    def _keep_suspended(self, bits: int) -> None:
        """Suspends jobs that are suspended after boot, should somebody have let them go on."""
        if self._get(registers.HANDS_OFF) & bits != bits:
            self._set_hands_off(bits, bits)

    def _set_hands_off(self, bits: int, values: int) -> int:
        """Sets these bits of the mailbox to those of `values`; returns the whole word as it was."""
        before, _ = self._edit(registers.HANDS_OFF, 0, lambda word: word & ~bits | values & bits)
        return before

    def _is_up(self, boot_state: int) -> bool:
        if boot_state == registers.PATCH_BOOT:
            return self._bridge.read_words(registers.PATCH_VERSION.address) != (0,)
        return boot_state in (registers.NORMAL_BOOT, registers.RTOS_BOOT)

    def _find_mode(self) -> int:
        """Reads the version word in either byte order; only the right one gives a known chip (section 3.2).

        Keeps the order for the bridge and returns the word. Harmless in the wrong one: the start command and the write
        bit then travel in the byte that means nothing. What the chip answers to it is not known, so a NACK says no more
        than a wrong word; only two of them are an error.
        """
        seen: list[str] = []
        missing: list[BusError] = []
        for mode in WireMode:
            try:
                (version,) = self._bridge.read_words(registers.CORE_VERSION.address, mode=mode)
            except BusError as error:
                if not error.nack:
                    raise
                missing.append(error)
                continue
            if registers.chip_name(version):
                self._bridge.mode = mode
                return version
            seen.append(f"0x{version:08X}")
        if not seen:
            raise missing[0]
        raise ChipRefused(
            f"its version word, {' or '.join(seen)}, is not that of a JL6108 or JL6110 whose firmware is up"
        )
