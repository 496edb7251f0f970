"""What people record about boards and SOMs, with its audit entries."""

from typing import Any

from django.db import transaction
from django.utils import timezone

from hardware.som import PowerState
from operations import audit, events, refusals, roles
from operations.roles import Actor
from slots.models import Basis, Board, Slot, Som, SomType
from slots.services import inventory, power

SOM_FIELDS = [
    "name",
    "serial_number",
    "memory_gb",
    "emmc_gb",
    "sd_card",
    "nvme",
    "adapter_revision",
    "latch_cured",
    "notes",
    "som_type_id",
]


def save_som(slot: Slot, som: Som, actor: Actor) -> None:
    """Keep a validated SOM as the one in `slot`. Raises `NotPermitted`, `Busy` while an operation holds the slot.

    Another type in the slot than before is another SOM: what was believed of the old one no longer counts.
    """
    resource = slot.resource(slot.board.slug)
    roles.require(actor, "slot.edit", resource)
    with transaction.atomic():
        power.one_at_a_time(slot.board)
        power.refuse_if_busy(resource)
        before = Som.objects.filter(slot=slot).first()
        som.slot = slot
        som.save()
        if before is None or before.som_type_id != som.som_type_id:
            _forget_state(slot)
        audit.record("som.record", actor=actor, target=resource, detail={"before": _row(before), "after": _row(som)})
        events.hint("slot", slot.board.slug, slot.number)


def remove_som(slot: Slot, actor: Actor) -> None:
    """Record that the slot is empty. Raises `NotPermitted`, `ControllerSlotProtected`, `Busy`, `Conflict`."""
    resource = slot.resource(slot.board.slug)
    roles.require(actor, "slot.edit", resource)
    if slot.is_controller:
        raise refusals.ControllerSlotProtected("Slot 1 runs this portal, so it is not empty.")
    power.traits_of(slot)
    with transaction.atomic():
        power.one_at_a_time(slot.board)
        power.refuse_if_busy(resource)
        before = _row(slot.som)
        Som.objects.filter(slot=slot).delete()
        _forget_state(slot)
        audit.record("som.remove", actor=actor, target=resource, detail={"before": before})
        events.hint("slot", slot.board.slug, slot.number)


def _forget_state(slot: Slot) -> None:
    Slot.objects.filter(pk=slot.pk).update(
        power_state=PowerState.UNKNOWN.value,
        basis=Basis.OBSERVED,
        since=timezone.now(),
        by="",
        commanded_at=None,
        latched=False,
        latched_at=None,
        latched_note="",
        contradiction="",
        contradiction_at=None,
        panicked_at=None,
        contents="",
        contents_words="",
        contents_at=None,
    )
    slot.evidence.filter(kind="uart").update(life_at=None)
    slot.evidence.filter(kind="stage").delete()
    inventory.note(slot, PowerState.UNKNOWN, Basis.OBSERVED, "The SOM in this slot was changed", "info")


def _row(som: Som | None) -> dict[str, Any] | None:
    if som is None:
        return None
    return {**{name: getattr(som, name) for name in SOM_FIELDS}, "som_type": str(som.som_type)}


def save_board(board: Board, changed: list[str], actor: Actor) -> None:
    """Keep a board's edited name, supply and notes. Raises `NotPermitted`."""
    roles.require(actor, "board.edit", board.slug)
    before = Board.objects.get(pk=board.pk)
    with transaction.atomic():
        board.save(update_fields=["name", "supply", "notes"])
        detail = {
            "before": {name: getattr(before, name) for name in changed},
            "after": {name: getattr(board, name) for name in changed},
        }
        audit.record("board.edit", actor=actor, target=board.slug, detail=detail)
        events.hint("board", board.slug)


def save_som_type(som_type: SomType, actor: Actor) -> None:
    """Keep a third party's SOM type. Raises `NotPermitted`, `Conflict` for a shipped one."""
    roles.require(actor, "board.edit", "portal")
    if som_type.shipped:
        raise refusals.Conflict(f"{som_type.name} is shipped with the portal; add a type of your own.", code="shipped")
    with transaction.atomic():
        known = SomType.objects.filter(pk=som_type.pk).first()
        before, after = known.traits().to_mapping() if known else None, som_type.traits().to_mapping()
        som_type.save()
        audit.record("som-type.record", actor=actor, target="portal", before=before, after=after)
