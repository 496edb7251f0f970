"""What has been seen of each slot, and what follows from it."""

import logging
import socket
import threading
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from hardware.board import Board as HardwareBoard
from hardware.contracts import ExpanderRegisters, Level, Link
from hardware.errors import HardwareError
from hardware.som import PowerState
from operations import audit, events, lifecycle, roles
from operations.models import Operation, OperationState
from slots.models import Basis, Board, Evidence, EvidenceKind, Slot, StateChange
from slots.services.evidence import Belief, Reading, Windows, assess, signs_of_life

log = logging.getLogger("nanoportal.inventory")
HISTORY_KEPT = 500
REFRESH = timedelta(seconds=8)
PROBE_SECONDS = 1.0
_dealing_with_a_loss = threading.Lock()


def record_evidence(
    slot: Slot, kind: str, value: str, at: datetime, *, life: bool | None = None, life_at: datetime | None = None
) -> None:
    """Keep `value` as the latest reading of `kind` about `slot`; open pages hear of it when it differs.

    `life` says whether it shows a SOM that is on (True), one that is off (False) or neither; `life_at` is when the
    last sign of life was seen if that was not `at`.
    """
    seen = life_at or (at if life else None)
    row, made = Evidence.objects.get_or_create(
        slot=slot,
        kind=kind,
        defaults={"value": value, "life": life, "at": at, "changed_at": at, "life_at": seen},
    )
    if made:
        _hint(slot)
        return
    changed = (row.value, row.life) != (value, life)
    row.value, row.life, row.at = value, life, at
    row.life_at = max(filter(None, [row.life_at, seen]), default=None)
    row.changed_at = at if changed else row.changed_at
    row.save(update_fields=["value", "life", "at", "life_at", "changed_at"])
    if changed:
        _hint(slot)


STAGE_TONES = {"login": "good", "panic": "bad"}
LINES_AN_HOUR = 60  # a SOM that boots in a loop must not push everything else out of its slot's history


def record_stage(slot: Slot, stage: str, words: str, at: datetime) -> None:
    """Keep what a console showed of a boot or its end: "login prompt seen; boot took 23 s". Also a line of history.

    `stage` is boot-loader, kernel, login, panic or halt. A halt takes back the signs of life before it; what else the
    console says of life stands in its own evidence. Blocks for the time of a few writes.
    """
    recent = StateChange.objects.filter(slot=slot, at__range=(at - timedelta(hours=1), at))
    with transaction.atomic():
        record_evidence(slot, EvidenceKind.STAGE, words[:120], at, life=False if stage == "halt" else None)
        Slot.objects.filter(pk=slot.pk).update(panicked_at=at if stage == "panic" else None)
        if recent.count() < LINES_AN_HOUR:
            told = f"{words[:1].upper()}{words[1:]}"
            note(slot, slot.power_state, slot.basis, told, STAGE_TONES.get(stage, "info"), at=at)
        _hint(slot)


def _hint(slot: Slot) -> None:
    events.hint("slot", slot.board.slug, slot.number)


def link_words(link: Link) -> str:
    """A link in words, as pages and evidence show it."""
    if not link.up:
        return "link down"
    speed = f"{link.mbps // 1000} Gb/s" if link.mbps >= 1000 else f"{link.mbps} Mb/s"
    return f"link up, {speed}" + ("" if link.full_duplex else " half duplex")


def read_links(board: Board, hardware: HardwareBoard) -> None:
    """Read the switch's eight links and keep them as evidence. Blocks for some tens of milliseconds of bus time.

    A switch that does not answer is said so on the board; the readings then grow old instead of being guessed.
    """
    if hardware.spec.switch is None:
        return
    ports = {number: wired.port for number, wired in hardware.spec.slots.items() if wired.port}
    try:
        links = hardware.switch.read_links()
        off = hardware.switch.read_switched_off([port for port in ports.values() if not links[port - 1].up])
        problem = ""
    except HardwareError as error:
        links, off, problem = (), frozenset(), str(error)
    now = timezone.now()
    if problem != board.switch_problem:
        board.switch_problem = problem
        Board.objects.filter(pk=board.pk).update(switch_problem=problem)
        events.hint("board", board.slug)
    if not links:
        return
    uplink = links[hardware.spec.uplink_port - 1]
    mbps = uplink.mbps if uplink.up else 0
    with transaction.atomic():
        if mbps != board.uplink_mbps or _is_due(board.links_read_at, now):
            Board.objects.filter(pk=board.pk).update(links_read_at=now, uplink_mbps=mbps)
        if mbps != board.uplink_mbps:
            events.hint("board", board.slug)
        _keep_links(board, {n: _link_reading(links[port - 1], port in off) for n, port in ports.items()}, now)


def _link_reading(link: Link, is_off: bool) -> tuple[str, bool | None]:
    """A link in words, and whether it shows a SOM that is on. A port that is switched off shows nothing: a SOM that is
    taken for off because of it would be switched off by the press that is to switch it on."""
    return ("switch port is off", None) if is_off else (link_words(link), link.up)


def _is_due(written_at: datetime | None, now: datetime) -> bool:
    """Whether a reading that says the same as before is worth a write. The database of a controller lies on an SD
    card: what did not change is written every 8 s, well within the time for which a reading counts as fresh."""
    return written_at is None or now - written_at >= REFRESH / settings.TIME_SCALE


def _keep_links(board: Board, links: dict[int, tuple[str, bool | None]], now: datetime) -> None:
    """One UPDATE for all readings that say the same as before, a write of its own for each that changed."""
    known = {e.slot.number: e for e in Evidence.objects.filter(slot__board=board, kind="link").select_related("slot")}
    slots: dict[int, Slot] | None = None
    same_up: list[int] = []
    same_down: list[int] = []
    for number, (words, life) in links.items():
        row = known.get(number)
        if row is not None and (row.value, row.life) == (words, life):
            if _is_due(row.at, now):
                (same_up if life else same_down).append(row.pk)
            continue
        slots = slots or {slot.number: slot for slot in board.slots.select_related("board")}
        record_evidence(slots[number], EvidenceKind.LINK, words, now, life=life)
    if same_up:
        Evidence.objects.filter(pk__in=same_up).update(at=now, life_at=now)
    if same_down:
        Evidence.objects.filter(pk__in=same_down).update(at=now)


def probe(slot: Slot) -> None:
    """Try to connect to the slot's probe address. Blocks for at most a second. A refusal is an answer as well: some
    system is there to refuse."""
    host, _, port = slot.probe.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=PROBE_SECONDS).close()
        value, life = f"{slot.probe} answers", True
    except ConnectionRefusedError:
        value, life = f"{slot.probe} refuses, so a system is up", True
    except OSError:
        value, life = f"{slot.probe} does not answer", False
    record_evidence(slot, EvidenceKind.PROBE, value, timezone.now(), life=life)


def record_lines(board: Board, registers: ExpanderRegisters | None, lines: dict[int, int]) -> None:
    """Keep the level of each slot's line (`lines`: slot number to expander line) as evidence."""
    if registers is None:
        return
    now = timezone.now()
    known = dict(Evidence.objects.filter(slot__board=board, kind="line").values_list("slot__number", "value"))
    words = {number: line_words(registers, line) for number, line in lines.items()}
    if any(known.get(number) != value for number, value in words.items()):
        for slot in board.slots.select_related("board"):
            if slot.number in words and known.get(slot.number) != words[slot.number]:
                record_evidence(slot, EvidenceKind.LINE, words[slot.number], now)
    Evidence.objects.filter(slot__board=board, kind="line").update(at=now)


def line_words(registers: ExpanderRegisters, line: int) -> str:
    """The state of a reset line in words."""
    level = "low" if registers.pin(line) == Level.LOW else "high"
    if not registers.is_output(line):
        return f"not driven, reads {level}"
    return "held low" if level == "low" else "released, reads high"


def belief_of(slot: Slot) -> Belief:
    """The slot's row as a belief. Reads slot.som.som_type."""
    som = getattr(slot, "som", None)
    return Belief(
        state=PowerState(slot.power_state),
        basis=slot.basis,
        since=slot.since,
        commanded_at=slot.commanded_at,
        contradiction=slot.contradiction,
        boot=timedelta(seconds=som.som_type.boot_seconds / settings.TIME_SCALE) if som else timedelta(0),
    )


def readings_of(evidence: Iterable[Evidence]) -> list[Reading]:
    return [Reading(e.kind, e.value, e.life, e.at, e.life_at) for e in evidence]


def observe(board: Board) -> None:
    """Let the evidence speak for every slot of `board` that no operation is moving now."""
    rows = list(
        board.slots.select_related("som__som_type", "board").prefetch_related("evidence").filter(som__isnull=False)
    )
    moving = set(
        Operation.objects.filter(board=board.slug, state=OperationState.RUNNING).values_list("resource", flat=True)
    )
    now, windows = timezone.now(), Windows.scaled(settings.TIME_SCALE)
    for slot in rows:
        if slot.resource(board.slug) in moving:
            continue
        before = belief_of(slot)
        after = assess(before, readings_of(slot.evidence.all()), now, windows)
        if after is not before:
            _adopt(slot, before, after)


def observed_state(slot_id: int) -> PowerState:
    """What evidence alone says of a slot now: On, Off or Unknown. For sequences that wait for one of them."""
    slot = Slot.objects.select_related("som__som_type").prefetch_related("evidence").get(pk=slot_id)
    blank = Belief(PowerState.UNKNOWN, Basis.OBSERVED, None, commanded_at=slot.commanded_at)
    windows = Windows.scaled(settings.TIME_SCALE)
    return assess(blank, readings_of(slot.evidence.all()), timezone.now(), windows).state


def _adopt(slot: Slot, before: Belief, after: Belief) -> None:
    """Write a belief that changed, if the slot still is as we read it."""
    unchanged = Slot.objects.filter(pk=slot.pk, power_state=before.state, basis=before.basis, since=before.since)
    latched_no_more = after.state == PowerState.ON and slot.latched
    values: dict[str, Any] = {
        "power_state": after.state.value,
        "basis": after.basis,
        "since": after.since,
        "contradiction": after.contradiction,
    }
    if after.contradiction != before.contradiction:
        values["contradiction_at"] = timezone.now() if after.contradiction else None
    if latched_no_more:
        values |= {"latched": False, "latched_at": None, "latched_note": ""}
    with transaction.atomic():
        if not unchanged.update(**values):
            return
        if (after.state, after.basis) != (before.state, before.basis):
            note(slot, after.state, after.basis, _words(before, after), _tone(after.state))
        if after.contradiction and after.contradiction != before.contradiction:
            note(slot, after.state, after.basis, f"Contradiction: {after.contradiction}", "warn")
        _hint(slot)


def _words(before: Belief, after: Belief) -> str:
    """A change of belief as the slot's history tells it."""
    if after.basis == Basis.COMMANDED:
        return f"Taken to be {after.state}: nothing shows whether it is"
    if after.state == PowerState.UNKNOWN:
        return "Unknown: nothing shows any more what it is"
    took = f" after {(timezone.now() - before.since).total_seconds():.0f} s" if before.since else ""
    return f"Observed {after.state}{took}"


def _tone(state: PowerState) -> str:
    return {PowerState.ON: "good", PowerState.UNKNOWN: "warn"}.get(state, "info")


def note(slot: Slot, state: str, basis: str, words: str, tone: str = "info", *, at: datetime | None = None) -> None:
    """Add a line to the slot's history, of now unless `at` says when, and drop what is older than the newest 500."""
    row = StateChange.objects.create(
        slot=slot, at=at or timezone.now(), state=state, basis=basis, words=words[:240], tone=tone
    )
    if row.pk % 50 == 0:
        old = StateChange.objects.filter(slot=slot).values_list("pk", flat=True)[HISTORY_KEPT:]
        StateChange.objects.filter(pk__in=list(old)).delete()


def check_expander(board: Board, hardware: HardwareBoard) -> bool:
    """Read the expander: keep the lines as evidence, notice a loss of power. Returns whether power was lost."""
    try:
        lost = notice_power_loss(board, hardware)
        registers = hardware.expander.registers()
        problem = ""
    except HardwareError as error:
        lost, registers, problem = False, None, str(error)
    now = timezone.now()
    if problem != board.problem:
        events.hint("board", board.slug)
    board.problem, board.checked_at = problem, now if not problem else board.checked_at
    board.power_loss_visible = lost is not None
    board.save(update_fields=["problem", "checked_at", "power_loss_visible"])
    record_lines(board, registers, {number: wiring.line for number, wiring in hardware.spec.slots.items()})
    return bool(lost)


def notice_power_loss(board: Board, hardware: HardwareBoard) -> bool | None:
    """Whether the board has lost power since the last look; None where that cannot be seen. What follows from a loss
    is done once, whoever looks at the same moment. Raises HardwareError."""
    lost = hardware.expander.power_lost()
    if lost:
        with _dealing_with_a_loss:
            if hardware.expander.power_lost():  # else it has been dealt with while we waited
                power_was_lost(board)
                hardware.expander.forget()
    return lost


def power_was_lost(board: Board) -> list[Operation]:
    """The board lost power: every state is Unknown, latches are cleared, what ran is interrupted; one entry says so."""
    now = timezone.now()
    running = list(Operation.objects.filter(board=board.slug, state=OperationState.RUNNING))
    for operation in running:
        lifecycle.interrupt(operation, "The board lost power. It is not repeated.")
    with transaction.atomic():
        # The board's row before its slots', in the order in which whoever decides about a slot takes them.
        Board.objects.filter(pk=board.pk).update(power_lost_at=now)
        board.slots.update(
            power_state=PowerState.UNKNOWN.value,
            basis=Basis.OBSERVED,
            since=now,
            by="",
            commanded_at=now,
            latched=False,
            latched_at=None,
            latched_note="",
            line_low=False,
            contradiction="",
            contradiction_at=None,
        )
        for slot in board.slots.filter(som__isnull=False):
            note(slot, PowerState.UNKNOWN, Basis.OBSERVED, "The board lost power", "warn")
        audit.record(
            "board.power-lost",
            actor=roles.PORTAL,
            target=board.slug,
            outcome="noticed",
            detail={"sign": "the expander's configuration register reads 0xFF", "interrupted": len(running)},
        )
        events.hint("board", board.slug)
    return running


def fresh_life(slot: Slot) -> str:
    """The first sign of life of a slot now, in words, or "" when there is none."""
    windows = Windows.scaled(settings.TIME_SCALE)
    found = signs_of_life(readings_of(slot.evidence.all()), timezone.now(), slot.commanded_at, windows)
    return found[0] if found else ""
