"""What the portal knows of the storage of a slot's SOM."""

from django.db import transaction
from django.utils import timezone

from operations import events
from slots.models import Contents, Slot
from slots.services import inventory

TONES = {Contents.IMAGE: "good", Contents.UNVERIFIED: "warn", Contents.UNKNOWN: "warn"}


def keep(slot: Slot, contents: Contents, words: str) -> None:
    """From now on the slot's storage holds `contents`; `words` name the image, or say why nobody knows."""
    with transaction.atomic():
        Slot.objects.filter(pk=slot.pk).update(
            contents=contents, contents_words=words[:200], contents_at=timezone.now()
        )
        inventory.note(slot, slot.power_state, slot.basis, f"{contents.label}: {words}", TONES[contents])
        events.hint("slot", slot.board.slug, slot.number)


def said(slot: Slot) -> dict[str, str]:
    """What `slot`, as it was read, says of its storage: for the record."""
    if not slot.contents:
        return {"storage": "nothing was written by the portal"}
    return {"storage": f"{Contents(slot.contents).label}: {slot.contents_words}"}


def put_back(slot: Slot) -> None:
    """Nothing was written after all: what `slot`, read before, says of its storage still holds."""
    with transaction.atomic():
        Slot.objects.filter(pk=slot.pk).update(
            contents=slot.contents, contents_words=slot.contents_words, contents_at=slot.contents_at
        )
        events.hint("slot", slot.board.slug, slot.number)
