"""By which ways the storage of a slot's SOM can be reached, and why not by the others."""

from dataclasses import dataclass, field

from flashing import guidance
from flashing.models import Method
from flashing.services import promises
from hardware.boardspec import SlotWiring
from operations.refusals import Refused
from slots.models import Slot, Som
from slots.services import parts, power

BY_TOOL = {"rpiboot": Method.RPIBOOT, "ums": Method.UMS}


@dataclass(frozen=True)
class MethodOffer:
    """One way: whether it can be taken now, in one sentence; the media it reaches, and the address that it uses."""

    method: str
    available: bool
    words: str
    media: list[str] = field(default_factory=list)
    address: str = ""


def offers(slot: Slot) -> list[MethodOffer]:
    """All ways that are known for this slot's SOM, those that cannot be taken now with the reason. Raises `Conflict`
    if no SOM is recorded. Reads the board file and the database, opens nothing."""
    traits = power.traits_of(slot)
    som = slot.som
    wiring = _wiring(slot)
    found = []
    tool = som.som_type.flash_path
    if missing := guidance.not_supported(traits):
        found.append(MethodOffer(tool, False, f"{missing.why} {missing.instead}"))
    if tool in BY_TOOL:
        found.append(_by_tool(slot, som, BY_TOOL[tool], wiring))
    if wiring.usb:
        found.append(_offer(slot, Method.DISK, ["disk"], wiring.usb))
    if wiring.storage:
        found.append(_offer(slot, Method.FILE, ["file"], wiring.storage))
    found.append(_offer(slot, Method.NETWORK, ["disk"], ""))
    return found


def _wiring(slot: Slot) -> SlotWiring:
    return parts.spec(slot.board.slug).slots[slot.number]


def _by_tool(slot: Slot, som: Som, method: Method, wiring: SlotWiring) -> MethodOffer:
    if not wiring.usb:
        return MethodOffer(
            method,
            False,
            f"The board file does not say where the cable of slot {slot.number} is plugged in: "
            f'[slots.{slot.number}] usb = "1-1.2".',
        )
    if method == Method.UMS and not slot.is_controller:
        return MethodOffer(method, False, guidance.ums_elsewhere(slot.number), media_of(som), wiring.usb)
    return _offer(slot, method, media_of(som), wiring.usb)


def media_of(som: Som) -> list[str]:
    """What the SOM carries that its boot mode can show as a disk."""
    media = [] if som.emmc_gb == 0 else ["eMMC"]
    if som.nvme:
        media.append("NVMe")
    if som.sd_card:
        media.append("SD card")
    return media


def _offer(slot: Slot, method: Method, media: list[str], address: str) -> MethodOffer:
    if not media:
        words = f"No storage is recorded for the SOM in slot {slot.number}; record its eMMC, NVMe or SD card first."
        return MethodOffer(method, False, words, [], address)
    try:
        promised = promises.promise(slot, method)
    except Refused as refused:
        return MethodOffer(method, False, refused.message, media, address)
    return MethodOffer(method, True, f"{WORDS[method]} {promised.words}", media, address)


WORDS = {
    Method.RPIBOOT: "Hold BOOT, plug its USB cable in, and its storage becomes a USB disk.",
    Method.UMS: "Its boot loader shows the storage as a USB disk, once hands have brought it there.",
    Method.DISK: "Writes to the one disk that is at its USB path, a card reader for instance.",
    Method.FILE: "Writes to a file that stands for a disk.",
    Method.NETWORK: "Writes through SSH to a disk of the Linux that runs on it, never to the one it runs from.",
}
