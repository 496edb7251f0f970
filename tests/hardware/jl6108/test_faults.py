"""Every transfer of every kind of change, not acknowledged once: the change happens all the same, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

from hardware.clock import VirtualClock
from hardware.errors import BusError, HardwareError
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.isolation import only_uplink
from hardware.jl6108.ports import Ability, Pause
from hardware.jl6108.rates import Storm
from hardware.jl6108.transport import I2cBridge, WireMode
from hardware.jl6108.vlans import CLOSED, PortTables, TagOperation, VlanEntry
from hardware.simulator import net
from hardware.simulator.bus import Nack
from hardware.simulator.switch import Jl6108Model
from hardware.simulator.switch_assumptions import ASSUMPTIONS
from tests.hardware.jl6108.conftest import Bench, PoliteLock
from tests.hardware.jl6108.memory import MemoryBus, ShiftingBus

Change = Callable[[Jl6108], object]
Answer = TypeVar("Answer")


def move(chip: Jl6108) -> None:
    running = chip.read_port_tables(3)
    wanted = PortTables(
        running.source.replace(default_vid=20),
        running.egress.replace(operation=TagOperation.POP),
        running.frame_filter.replace(drop_c_tagged=1),
    )
    chip.write_port_tables(3, wanted, running)
    chip.write_vlan(20, VlanEntry.of({3, 8}, fid=20))


CHANGES: dict[str, Change] = {
    "move": move,
    "close": lambda chip: chip.write_vlans(dict.fromkeys(range(20), CLOSED)),
    "pvid": lambda chip: chip.set_pvid(1, 10),
    "isolate": lambda chip: chip.set_isolation({4: {5}, 5: {4}}),
    "mirror": lambda chip: chip.mirror_ingress(1, 2),
    "disable": lambda chip: chip.set_port_enabled(3, False),
    "negotiate": lambda chip: chip.negotiate(3, [Ability.FULL_100]),
    "force": lambda chip: chip.force_speed(3, 100, True, Pause(receive=True, send=True)),
    "fix": lambda chip: chip.fix_address("02:50:b6:11:22:33", 10, {3}),
    "storm": lambda chip: chip.set_storm_rate(1, Storm.BROADCAST, 1000),
}


def nack_once(bus: MemoryBus, number: int) -> None:
    def fail(transfer: int) -> None:
        if transfer == number:
            bus.before_transfer = lambda transfer: None
            raise BusError(0x5C, None, "the device did not answer (NACK)", nack=True)

    bus.before_transfer = fail


def held(bench: Bench) -> dict[int, int]:
    return {address: word for address, word in bench.bus.words.items() if word}


@pytest.mark.parametrize("name", CHANGES)
def test_one_nack_anywhere_changes_nothing_of_the_outcome(name: str, tmp_path: Path) -> None:
    clean = Bench(tmp_path)
    CHANGES[name](clean.chip)
    for number in range(1, clean.bus.transfers + 1):
        bench = Bench(tmp_path)
        nack_once(bench.bus, number)
        CHANGES[name](bench.chip)
        assert held(bench) == held(clean), number


@pytest.mark.parametrize("name", CHANGES)
def test_a_chip_that_keeps_what_was_broken_off_ends_before_or_after_each_write(name: str, tmp_path: Path) -> None:
    """Whatever stays in the bridge, no register ever gets a word that was meant for another."""
    clean = Bench(tmp_path)
    allowed: dict[int, set[int]] = {address: {word} for address, word in clean.bus.words.items()}

    def allow(address: int, word: int) -> int:
        allowed.setdefault(address, {0}).add(word)
        return word

    clean.bus.stores = allow
    CHANGES[name](clean.chip)
    for number in range(1, clean.bus.transfers + 1):
        bench = Bench(tmp_path, ShiftingBus())
        nack_once(bench.bus, number)
        try:
            CHANGES[name](bench.chip)
        except HardwareError:
            assert isinstance(bench.bus, ShiftingBus)
        for scratch in (0x124014, 0x10000C, 0x100010):
            bench.bus.words.pop(scratch, None)
        wrong = {hex(a): hex(w) for a, w in bench.bus.words.items() if w not in allowed.get(a, {0})}
        assert wrong == {}, number


class ModelBus:
    """An `I2cBus` with nothing on it but a simulated chip, one transfer of which is not acknowledged."""

    def __init__(self, chip: Jl6108Model, fails_at: int = 0) -> None:
        self.transfers = 0
        self._chip = chip
        self._fails_at = fails_at

    def write(self, address: int, data: bytes) -> None:
        self._transfer(lambda: self._chip.write(data))

    def read(self, address: int, count: int) -> bytes:
        return self._transfer(lambda: self._chip.read(count, False))

    def read_byte(self, address: int, register: int) -> int:
        raise AssertionError("the bridge has no byte registers")

    def write_byte(self, address: int, register: int, value: int) -> None:
        raise AssertionError("the bridge has no byte registers")

    def close(self) -> None:
        pass

    def _transfer(self, transfer: Callable[[], Answer]) -> Answer:
        self.transfers += 1
        try:
            if self.transfers == self._fails_at:
                raise Nack(0, "fault nack")
            return transfer()
        except Nack as nack:
            raise BusError(0x5C, None, str(nack), nack=True) from nack


@pytest.mark.parametrize("left_over", ASSUMPTIONS["left-over-words"].values)
@pytest.mark.parametrize("name", ["move", "isolate"])
def test_whatever_the_bridge_does_with_words_left_over_the_change_is_made(
    name: str, left_over: str, tmp_path: Path
) -> None:
    def run(fails_at: int = 0) -> tuple[int, dict[int, list[int]]]:
        model = net.linked_switch({"left-over-words": left_over})
        bus = ModelBus(model, fails_at)
        lock = PoliteLock(tmp_path / "bus.lock")
        CHANGES[name](Jl6108(I2cBridge(bus, 0x5C, lock, WireMode.MSB), VirtualClock()))
        words = model.memory.differences()
        words.pop(0x201004, None)  # where the chip remembers that the bridge was used wrongly
        return bus.transfers, words

    transfers, clean = run()
    for number in range(1, transfers + 1):
        assert run(number)[1] == clean, number


def test_everyone_is_isolated_under_a_bus_that_fails_every_hundredth_time(bench: Bench) -> None:
    failed: set[int] = set()

    def fail(number: int) -> None:
        if number % 100 == 0 and number not in failed:
            failed.add(number)
            raise BusError(0x5C, None, "the device did not answer (NACK)", nack=True)

    bench.bus.before_transfer = fail
    bench.chip.set_isolation(only_uplink(8))
    assert failed
    assert bench.chip.read_isolation() == {port: only_uplink(8).get(port, frozenset()) for port in range(1, 10)}
