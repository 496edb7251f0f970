"""What runs on a board's switch, as far as it is known: kept in rows, so that pages never wait for the bus."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from hardware.clock import SystemClock
from hardware.contracts import SwitchChip
from hardware.errors import HardwareError
from hardware.jl6108.recipes import ChipVlans
from hardware.switch_errors import VlanTableInvalid
from hardware.switch_setup import SwitchSetup
from hardware.vlan import VlanTable
from operations import audit, events
from operations.roles import PORTAL
from slots.models import Board
from slots.services import parts
from switch import planning, wording
from switch.documents import Wiring, chip_from_json, chip_json
from switch.models import SwitchState, VlanChange, VlanRevision
from switch.services import applying
from switch.services.applying import Reading

CLOCK = SystemClock()


@dataclass(frozen=True)
class Running:
    """What is known. `chip` None: nothing was read yet; `table` None beside it: it holds no table of ours; `setup` None
    beside that: it does, but links, isolation or mirror are not as any setup of ours has them.
    """

    chip: ChipVlans | None
    table: VlanTable | None
    read_at: datetime | None
    scan: int
    scanned_at: datetime | None
    needs_scan: bool
    why_no_access: str
    drift: tuple[str, ...]
    confirmed: VlanRevision | None
    setup: SwitchSetup | None = None


def resource(board: Board) -> str:
    return f"{board.slug}/switch"


def wiring(board: Board) -> Wiring:
    """Which switch port is whose. Raises KeyError for a board without a board file here."""
    spec = parts.spec(board.slug)
    return Wiring({number: slot.port for number, slot in spec.slots.items() if slot.port}, spec.uplink_port)


def chip_of(board: Board) -> SwitchChip:
    """The switch chip. Raises DeviceNotFound, BusUnavailable."""
    return parts.hardware(board.slug).switch


def state_of(board: Board) -> SwitchState:
    """The board's row, made at first use."""
    state, _ = SwitchState.objects.get_or_create(board=board)
    return state


def of(board: Board) -> Running:
    """What is known of the board's switch, from rows only."""
    state = SwitchState.objects.filter(board=board).first() or SwitchState(board=board)
    chip = chip_from_json(state.chip) if state.chip else None
    called = names(board)
    setup = planning.held_setup(chip, called) if chip else None
    table = setup.table if setup else planning.held_table(chip, called) if chip else None
    confirmed = VlanRevision.objects.filter(board=board).first()
    return Running(
        chip,
        table,
        state.read_at,
        state.scan,
        state.scanned_at,
        state.needs_scan,
        _why_no_access(board, state),
        _drift(board, state, chip, setup or table, confirmed),
        confirmed,
        setup,
    )


def _why_no_access(board: Board, state: SwitchState) -> str:
    spec = parts.local().get(board.slug)
    if spec is None or spec.spec.switch is None:
        return (
            "The board file names no way to the switch chip ([switch] with bus and address), so it can be neither read "
            "nor set up from here."
        )
    return board.switch_problem or state.problem


def _drift(
    board: Board,
    state: SwitchState,
    chip: ChipVlans | None,
    held: SwitchSetup | VlanTable | None,
    confirmed: VlanRevision | None,
) -> tuple[str, ...]:
    """How what runs differs from the last confirmed revision; nothing while a change is under way."""
    if confirmed is None or chip is None or VlanChange.objects.filter(board=board, state=AWAITING).exists():
        return ()
    if is_lost(state, confirmed):
        return ("The switch chip was reset since: it no longer holds what was confirmed.",)
    if state.needs_scan:
        return ("What the switch holds is not known as a whole; its VLAN table has to be read.",)
    try:
        meant = confirmed.setup(wiring(board))
    except VlanTableInvalid as error:
        return (str(error),)
    if held is None:
        return ("The switch holds VLANs that this portal did not write.",)
    if isinstance(held, SwitchSetup):
        return wording.differences(meant, held, wiring(board))
    words = wording.differences(meant, replace(meant, table=held), wiring(board))
    return (*words, "Links, isolation or mirror of the switch were not set by this portal.")


def is_lost(state: SwitchState, confirmed: VlanRevision | None) -> bool:
    """Whether a reset took from the chip what was confirmed last, and nothing was put there since."""
    return state.reset_at is not None and confirmed is not None and confirmed.confirmed_at < state.reset_at


AWAITING = VlanChange.State.AWAITING


def names(board: Board) -> dict[int, str]:
    """What people call the VLANs that run: the chip keeps no names."""
    rows: list[dict[str, Any]] = []
    latest = VlanRevision.objects.filter(board=board).first()
    change = VlanChange.objects.filter(board=board, state=AWAITING).first()
    for document in (latest.document if latest else None, change.document if change else None):
        rows += document["vlans"] if document else []
    return {row["vid"]: row["name"] for row in rows}


def refresh(board: Board) -> Running:
    """Read the chip anew: 300 transfers and more, 0.1 s at 400 kHz. Raises HardwareError, which the row keeps."""
    state = state_of(board)
    if state.chip is not None:
        look(board, state)
    return of(board)


def look(board: Board, state: SwitchState, also: tuple[int, ...] = ()) -> Reading:
    """Read what the row speaks of, and keep it. Raises HardwareError."""
    try:
        reading = applying.read(chip_of(board), chip_from_json(state.chip or {}), also)
    except HardwareError as error:
        SwitchState.objects.filter(pk=state.pk).update(problem=str(error)[:300])
        raise
    keep(board, reading.chip, was_reset=reading.was_reset)
    return reading


def keep(board: Board, chip: ChipVlans, *, was_reset: bool = False, is_whole: bool = False) -> None:
    """Remember what the chip holds. `is_whole`: every entry was written or read, whatever was known before."""
    content = chip_json(chip)
    with transaction.atomic():
        state = state_of(board)
        values: dict[str, Any] = {"chip": content, "read_at": timezone.now(), "problem": ""}
        if was_reset or is_whole:
            # After a reset, what was known of the entries that were not read is worth nothing any more.
            values["needs_scan"] = not is_whole
        if was_reset:
            values["reset_at"] = timezone.now()
        SwitchState.objects.filter(pk=state.pk).update(**values)
        if state.chip != content or was_reset:
            hint(board)
        if was_reset:
            audit.record("switch.was-reset", actor=PORTAL, target=resource(board), outcome="noticed")


def keep_scan(board: Board, chip: ChipVlans) -> SwitchState:
    """Remember what a full scan found."""
    with transaction.atomic():
        state = state_of(board)
        now = timezone.now()
        SwitchState.objects.filter(pk=state.pk).update(
            chip=chip_json(chip), read_at=now, scanned_at=now, scan=state.scan + 1, needs_scan=False, problem=""
        )
        hint(board)
    return state_of(board)


def hint(board: Board) -> None:
    """Open pages should read the switch again."""
    events.hint("switch", board.slug)
