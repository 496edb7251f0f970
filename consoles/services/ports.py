"""The settings of serial ports: what the daemon goes by, and what people change of them."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import transaction
from redis.exceptions import RedisError

from consoles import keyboard
from consoles.models import ConsolePort, StageRule
from consoles.services.live import broker
from consoles.stages import Rule
from operations import audit, refusals, roles
from operations.roles import Actor
from slots.models import Slot

log = logging.getLogger("nanoportal.consoles")
DEFAULT_BAUD = 115200
MIB = 2**20
EDIT = "console.edit"
FIELDS = ("baud", "recording", "quota_mib", "retention_days")


@dataclass(frozen=True)
class PortSettings:
    """What a serial port goes by. `rules` are those for the SOM in the slot."""

    baud: int
    recording: bool
    quota_bytes: int
    retention: timedelta
    rules: tuple[Rule, ...]


def port_settings() -> dict[tuple[str, int], PortSettings]:
    """The settings of every slot with a serial port, by board slug and slot number. Three queries."""
    rules = list(StageRule.objects.filter(enabled=True))
    slots = Slot.objects.filter(uart=True, board__present=True)
    rows = slots.select_related("board", "som__som_type", "console_port")
    return {(row.board.slug, row.number): _settings(row, rules) for row in rows}


def of_board(board: str) -> dict[int, Slot]:
    """The slots of `board` with a serial port, by number, with all that their settings need. One query."""
    rows = Slot.objects.select_related("board", "som__som_type", "console_port")
    return {row.number: row for row in rows.filter(board__slug=board, board__present=True, uart=True)}


def find(board: str, slot: int) -> Slot:
    """A slot with a serial port, with all that its settings need. Raises `NotFound`."""
    row = of_board(board).get(slot)
    if row is None:
        raise refusals.NotFound(f"There is no serial port for slot {slot} of a board {board}.", code="unknown-port")
    return row


def port_of(slot: Slot) -> ConsolePort:
    """The row of `slot`'s port; an unsaved one with the defaults if nobody changed any."""
    return getattr(slot, "console_port", None) or ConsolePort(slot=slot)


def baud_of(slot: Slot) -> int:
    """The speed at which the port of `slot` is to be read: as it is set, else that of the SOM in the slot."""
    som = getattr(slot, "som", None)
    return port_of(slot).baud or (som.som_type.baud if som else DEFAULT_BAUD)


def settings_of(slot: Slot) -> PortSettings:
    """What the port of `slot` goes by."""
    return _settings(slot, list(StageRule.objects.filter(enabled=True)))


def save_port(port: ConsolePort, actor: Actor) -> None:
    """Keep a port's validated settings; the daemon goes by them at once, or within seconds if the broker is away.
    Raises `NotPermitted`."""
    slot = port.slot
    name = f"{slot.board.slug}/uart:{slot.number}"
    roles.require(actor, EDIT, name)
    with transaction.atomic():
        before = ConsolePort.objects.filter(slot=slot).first() or ConsolePort(slot=slot)
        port.pk = before.pk
        port.save(force_insert=before.pk is None, force_update=before.pk is not None)
        detail = {"before": _row(before), "after": _row(port)}
        audit.record("console.settings", actor=actor, target=name, detail=detail)
        transaction.on_commit(lambda: tell_daemon([slot]))


def _row(port: ConsolePort) -> dict[str, Any]:
    return {name: getattr(port, name) for name in FIELDS}


def tell_daemon(slots: Iterable[Slot]) -> None:
    """A hint to read these ports' settings now; without it the daemon reads them some seconds later. Blocks for at
    most 2 s, and does not raise for an absent broker."""
    try:
        with broker() as client:
            for slot in slots:
                keyboard.configure(slot.board.slug, slot.number).on(client)
    except (RedisError, OSError) as error:
        log.info("the console daemon was not told of new settings: %s", error)


def _settings(slot: Slot, rules: list[StageRule]) -> PortSettings:
    som = getattr(slot, "som", None)
    kind = som.som_type_id if som else None
    port = port_of(slot)
    return PortSettings(
        baud=baud_of(slot),
        recording=port.recording,
        quota_bytes=port.quota_mib * MIB,
        retention=timedelta(days=port.retention_days),
        rules=tuple(Rule(r.stage, r.match, r.text) for r in rules if r.som_type_id in (None, kind)),
    )
