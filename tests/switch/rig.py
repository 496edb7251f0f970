"""A portal's rows and worker in the test's own process, and a simulated switch that forwards frames."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hardware.buslock import BusLock
from hardware.clock import VirtualClock
from hardware.i2c import LinuxI2cBus
from hardware.jl6108.chip import Jl6108
from hardware.jl6108.transport import I2cBridge, WireMode
from hardware.simulator import net
from hardware.simulator.testing import InProcessBoard
from hardware.vlan import FRONT_PORTS, Tagging, Vlan, VlanTable
from nanoportal import celery  # noqa: F401  makes it the current Celery app, as in the web process
from operations.models import Operation
from operations.roles import Actor
from slots.models import Board
from switch import tasks
from switch.models import VlanChange
from switch.services import changes, drafts, running, scanning

SLUG = "demo"
U, T = Tagging.UNTAGGED, Tagging.TAGGED
UPLINK, CONTROLLER = 8, 7
State = VlanChange.State
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
        bridge = I2cBridge(LinuxI2cBus(self.board.smbus()), 0x5C, BusLock(directory / "bus.lock"), WireMode.MSB)
        self.chip = Jl6108(bridge, self.clock)

    def reach(self, port: int, *tags: int) -> dict[int, tuple[int, ...]]:
        """Where a frame that nobody answers to leaves: port -> its VIDs."""
        found = net.forward(self.model, port, net.tagged(*tags))
        return {other: tuple(tag.vid for tag in frame.tags) for other, frame in found}

    def faults(self, verb: str, *arguments: Any) -> None:
        self.board.board.faults.inject(verb, *(str(argument) for argument in arguments))


def row() -> Board:
    return Board.objects.get(slug=SLUG)


def scan(actor: Actor) -> Operation:
    """A full scan, as the worker does it."""
    operation = scanning.request_scan(row(), actor)
    tasks.run_scan(str(operation.pk))
    return Operation.objects.get(pk=operation.pk)


def commit(table: VlanTable, actor: Actor, overrides: tuple[str, ...] = (), **more: Any) -> VlanChange:
    """A change as the doors make it: draft, preview, commit. The worker has not had its message."""
    drafts.save(row(), table, actor)
    shown = changes.preview(row(), actor)
    return changes.commit(row(), shown.plan.fingerprint, actor, overrides=overrides, **more)


def run(change: VlanChange) -> VlanChange:
    """The change after the worker had its message, to its end."""
    tasks.run_change(str(change.operation_id))
    return again(change)


def again(change: VlanChange) -> VlanChange:
    return VlanChange.objects.select_related("operation", "board").get(pk=change.pk)


def confirmed(switch: Switch, table: VlanTable, actor: Actor, overrides: tuple[str, ...] = ()) -> VlanChange:
    """A change that its author confirms five seconds after it was written."""
    change = commit(table, actor, overrides)
    when_awaiting(switch, change, lambda: changes.confirm(again(change), actor))
    return run(change)


def when_awaiting(switch: Switch, change: VlanChange, act: Callable[[], object], seconds: float = 5) -> None:
    """Do `act` so many seconds after the change was written."""

    def look() -> None:
        if again(change).state == State.AWAITING:
            switch.clock.at(seconds, lambda: act() and None)
        elif again(change).state in (State.QUEUED, State.APPLYING):
            switch.clock.at(0.01, look)

    switch.clock.at(0.001, look)


def held() -> VlanTable | None:
    """The table that the portal knows to be on the switch."""
    return running.of(row()).table
