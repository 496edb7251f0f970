"""A portal's rows and worker in the test's own process, on a simulated board in a process of its own."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from hardware.som import PowerState, ResetType
from nanoportal import celery  # noqa: F401  makes it the current Celery app, as in the web process
from operations.models import Claim, Operation
from operations.roles import Actor
from slots import tasks
from slots.models import Basis, EvidenceKind, PowerDetails, Slot
from slots.services import inventory, power
from slots.services.power import Ask
from tests.simulated import SimulatedBoard

SLUG = "demo"
SCALE = 20.0  # the suite's own; tests/conftest.py
EXPANDER = 0x18
UP = (7, 8)  # the switch ports of the controller and the uplink
ON, OFF, UNKNOWN = PowerState.ON, PowerState.OFF, PowerState.UNKNOWN
POWERING_ON, POWERING_OFF = PowerState.POWERING_ON, PowerState.POWERING_OFF


def slot(number: int) -> Slot:
    """The slot as it is in the database now."""
    return power.find_slot(SLUG, number)


def state(number: int) -> tuple[str, str]:
    row = slot(number)
    return row.power_state, row.basis


def believe(number: int, power_state: PowerState, basis: Basis = Basis.OBSERVED, **more: Any) -> Slot:
    """Let the portal hold the slot to be in this state, since a minute."""
    since = timezone.now() - timedelta(minutes=1)
    row = {"power_state": power_state.value, "basis": basis, "since": since, "contradiction": "", **more}
    Slot.objects.filter(board__slug=SLUG, number=number).update(**row)
    return slot(number)


def ask(number: int, reset_type: ResetType, actor: Actor, *, key: str = "", **more: Any) -> Operation:
    """A request for one reset, as the doors make it."""
    operation, _ = power.request_reset(slot(number), Ask(reset_type, **more), actor, key=key)
    return operation


def run(operation: Operation) -> Operation:
    """The operation after the worker had its message."""
    tasks.run_power(str(operation.pk))
    return Operation.objects.get(pk=operation.pk)


def ended(operation: Operation) -> tuple[str, str]:
    """State and code."""
    return operation.state, operation.code


def hold_seconds(operation: Operation) -> float:
    """How long the button was really pressed."""
    return float(PowerDetails.objects.get(operation=operation).actual_hold_seconds or 0)


def log(operation: Operation) -> list[str]:
    return [line.text for line in operation.log.all()]


def held() -> list[str]:
    """The resources that are claimed."""
    return sorted(Claim.objects.values_list("resource", flat=True))


def line_evidence(number: int) -> str:
    return str(slot(number).evidence.get(kind=EvidenceKind.LINE).value)


def saw(number: int, kind: EvidenceKind, value: str, life: bool | None, **more: Any) -> None:
    """A reading about a slot, taken now."""
    inventory.record_evidence(slot(number), kind, value, more.pop("at", timezone.now()), life=life, **more)


@contextmanager
def meanwhile(act: Callable[[], None], when: Callable[[], Any]) -> Iterator[None]:
    """Do `act` in another thread as soon as `when()` is true; fails if that never came, or if `act` raised."""
    failed: list[BaseException] = []

    def wait_and_act() -> None:
        try:
            deadline = time.monotonic() + 10
            while not when():
                assert time.monotonic() < deadline, "the moment never came"
                time.sleep(0.002)
            act()
        except BaseException as error:
            failed.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    yield
    thread.join(15)
    assert not failed, failed


class Board(SimulatedBoard):
    """A simulated board that many tests share, each of them from a cold start."""

    _skip = 0

    def start_cold(self) -> None:
        """Power-up registers, all SOMs off but slot 1, nothing wrong; the trace begins here."""
        self.ctl("clear")
        self.ctl("mains-cycle")
        self.wait_until(lambda state: all(state["links"][str(port)] for port in UP))  # the switch starts anew as well
        self._skip = 0
        self._skip = len(self.trace())

    def trace(self) -> list[dict[str, Any]]:
        """What happened since the cold start."""
        return super().trace()[self._skip :]

    def moves(self) -> list[tuple[int, int]]:
        """Every pin that changed since the cold start: line and level, in order."""
        return [(entry["line"], entry["level"]) for entry in self.edges()]

    def is_low(self, line: int) -> bool:
        return self.state()["lines"][str(line)] == 0

    def turn_on(self, number: int) -> None:
        """Press past the portal, as if the SOM had been on all along, and wait for its link."""
        self.press_past_the_portal(number)
        self.wait_until(lambda state: state["slots"][str(number)]["link"] > 0)
        self._skip += len(self.trace())

    def press_past_the_portal(self, number: int) -> None:
        """A press of a second by somebody else."""
        bus = self.smbus()
        bus.open(self.address)
        for register, value in [(1, 0xFF), (3, 0x00), (1, 0xFF & ~(1 << number))]:
            bus.write_byte_data(EXPANDER, register, value)
        time.sleep(1.0 / SCALE)
        bus.write_byte_data(EXPANDER, 1, 0xFF)
        bus.close()
