"""A portal's rows and worker in the test's own process, and a simulated switch that forwards frames."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hardware.clock import VirtualClock
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.recipes import ChipVlans, translate
from hardware.jl6108.setups import translate_setup
from hardware.jl6108.transport import I2cBridge, WireMode
from hardware.simulator import net
from hardware.simulator.testing import InProcessBoard
from hardware.switch_setup import SwitchSetup
from hardware.vlan import FRONT_PORTS, Tagging, Vlan, VlanTable
from nanoportal import celery  # noqa: F401  makes it the current Celery app, as in the web process
from operations.models import Operation
from operations.roles import Actor
from slots.models import Board
from switch import tasks
from switch.models import VlanChange
from switch.services import applying, changes, drafts, running, scanning
from tests.hardware.jl6108.conftest import PoliteLock
from tests.switch.shortcuts import DirectBus, PastTheBus, close_all, live_entries

SLUG = "demo"
U, T = Tagging.UNTAGGED, Tagging.TAGGED
UPLINK, CONTROLLER = 8, 7
State = VlanChange.State
FEW = (*range(128), 4094, 4095)
#: Everything that is unsafe about taking over a chip that nobody has set up.
TAKING_OVER = ("uplink-changes", "controller-changes", "pages-change")

HOME = VlanTable((Vlan(1, "management", {CONTROLLER: U, UPLINK: U, 6: U, 5: U}), Vlan(10, "red", {4: U, 3: U})), 1)
LAB = VlanTable((Vlan(1, "management", {CONTROLLER: U, UPLINK: U, 6: U}), Vlan(10, "red", {4: U, 3: U, 5: U})), 1)
CUT = VlanTable((Vlan(1, "management", {CONTROLLER: U, 6: U, 5: U}), Vlan(10, "red", {4: U, 3: U, UPLINK: U})), 1)


class Switch:
    """The board's switch in this process; `clock` is the one that every wait of a change goes through."""

    def __init__(self, directory: Path) -> None:
        self.clock = VirtualClock()
        self.board = InProcessBoard(self.clock)
        self.model = self.board.board.switch
        for port in FRONT_PORTS:
            self.model.set_partner(port, 1000)
        self.wire = CountedBus(self.board)
        bridge = I2cBridge(self.wire, 0x5C, PoliteLock(directory / "bus.lock"), WireMode.MSB)
        self.chip = Jl6108(bridge, self.clock)
        #: The chip itself, whatever its bus does.
        self.inside = Jl6108(PastTheBus(self.model), self.clock)

    def reach(self, port: int, *tags: int) -> dict[int, tuple[int, ...]]:
        """Where a frame that nobody answers to leaves: port -> its VIDs."""
        found = net.forward(self.model, port, net.tagged(*tags))
        return {other: tuple(tag.vid for tag in frame.tags) for other, frame in found}

    def faults(self, verb: str, *arguments: Any) -> None:
        self.board.board.faults.inject(verb, [str(argument) for argument in arguments])

    def clear_faults(self) -> None:
        self.board.board.faults.clear()

    def reset_line(self) -> None:
        """A pulse on the chip's reset line, as a moment without power is."""
        self.model.set_reset_line(0)
        self.model.set_reset_line(1)

    def reset(self, wait: float = 5) -> None:
        """A reset, and so many seconds after it; its firmware is up after 1.5."""
        self.reset_line()
        self.clock.wait(wait)

    def have_few_entries(self) -> None:
        """Let the chip have 130 entries: to scan and to close all of them is tried where it is what a test is about."""
        close_all(self.model, range(128, 4094))
        self.chip.scan_vlans = lambda *_: self.chip.read_vlans(FEW)  # type: ignore[method-assign]

    def set_up(self, table: VlanTable) -> ChipVlans:
        """Every entry closed but those of the table, without the portal; returns what the chip holds then."""
        self.chip.identify()  # or the first look at it would take 20 transfers more
        close_all(self.model)
        made = translate(table, self.inside.read_all_port_tables())
        self.inside.write_vlans(made.entries, verify=False)
        for port, one in made.ports.items():
            self.inside.write_port_tables(port, one, verify=False)
        return applying.whole(self.inside, made.entries, made.ports)

    def holds(self, wanted: SwitchSetup | VlanTable) -> bool:
        """Whether the chip holds exactly that, each of its 4,096 entries; with a table alone, everything else as a
        reset leaves it."""
        found = applying.whole(self.inside, live_entries(self.model), self.inside.read_all_port_tables())
        setup = wanted if isinstance(wanted, SwitchSetup) else SwitchSetup(wanted)
        return found == translate_setup(setup, found)

    @property
    def transfers(self) -> int:
        return self.wire.transfers


class CountedBus(DirectBus):
    """A bus that counts its transfers and can break off before one of them, as a process that dies does."""

    transfers = 0
    dies_at = 0

    def write(self, address: int, data: bytes) -> None:
        self._count()
        super().write(address, data)

    def read(self, address: int, count: int) -> bytes:
        self._count()
        return super().read(address, count)

    def _count(self) -> None:
        self.transfers += 1
        if self.dies_at and self.transfers >= self.dies_at:
            raise Died


class Died(BaseException):
    """What ends a worker that nobody asked to end: nothing of it gets to run any more."""


def row() -> Board:
    return Board.objects.get(slug=SLUG)


def know(switch: Switch) -> None:
    """Let the portal know all that the switch holds, as after a full scan."""
    found = applying.whole(switch.inside, live_entries(switch.model), switch.inside.read_all_port_tables())
    running.keep_scan(row(), found)


def scan(actor: Actor) -> Operation:
    """A full scan, as the worker does it."""
    operation = scanning.request_scan(row(), actor)
    tasks.run_scan(str(operation.pk))
    return Operation.objects.get(pk=operation.pk)


def commit(wanted: SwitchSetup | VlanTable, actor: Actor, overrides: tuple[str, ...] = (), **more: Any) -> VlanChange:
    """A change as the doors make it: draft, preview, commit; half a minute to confirm it, if nothing else is asked for.
    The worker has not had its message."""
    save = drafts.save_setup if isinstance(wanted, SwitchSetup) else drafts.save
    save(row(), wanted, actor)  # type: ignore[operator]
    shown = changes.preview(row(), actor)
    return changes.commit(
        row(), shown.plan.fingerprint, actor, overrides=overrides, **{"revert_after_seconds": 30, **more}
    )


def run(change: VlanChange) -> VlanChange:
    """The change after the worker had its message, to its end."""
    run_only(change)
    return again(change)


def run_only(change: VlanChange) -> None:
    tasks.run_change(str(change.operation_id))


def again(change: VlanChange) -> VlanChange:
    return VlanChange.objects.select_related("operation", "board").get(pk=change.pk)


def confirmed(
    switch: Switch, table: SwitchSetup | VlanTable, actor: Actor, overrides: tuple[str, ...] = ()
) -> VlanChange:
    """A change that its author confirms five seconds after it was written."""
    change = commit(table, actor, overrides)
    when_awaiting(switch, change, lambda: changes.confirm(again(change), actor))
    return run(change)


def when_awaiting(switch: Switch, change: VlanChange, act: Callable[[], object], seconds: float = 5) -> None:
    """Do `act` so many seconds after the change was written."""

    def look() -> None:
        state = VlanChange.objects.values_list("state", flat=True).get(pk=change.pk)
        if state == State.AWAITING:
            switch.clock.at(seconds, lambda: act() and None)
        elif state in (State.QUEUED, State.APPLYING):
            switch.clock.at(0.01, look)

    switch.clock.at(0.001, look)


def held() -> VlanTable | None:
    """The table that the portal knows to be on the switch."""
    return running.of(row()).table
