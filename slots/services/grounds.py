"""What a slot's state rests on, line by line as a page shows it: commands, words of people, readings."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from hardware.som import PowerState
from slots.models import Basis, Evidence, EvidenceKind, Slot

# Sources in the order of the page, from the line to what is furthest from it
ICONS = {"line": "line", "link": "link", "uart": "uart", "stage": "console", "probe": "net"}
# Seconds between two readings of a source (nanoportal.periodic, consoles.daemon); three missed ones make it old.
SHORTER = {"link up, ": "link ", "last console text": "console text", "console is silent": "console silent"}
# How often each is written down: `inventory.REFRESH`, the console daemon, the periodic work of the worker.
EVERY_SECONDS = {"line": 10, "link": 8, "uart": 10, "stage": 0, "probe": 10}  # 0: seen once


@dataclass(frozen=True)
class EvidenceLine:
    """One fact with its source and age; `contradicts` the state that is shown.

    `every_seconds` says that a younger reading was due long ago once `at` is three times as old; 0 for a moment that
    simply passes, such as that of a command.
    """

    kind: str
    icon: str
    label: str
    text: str
    at: datetime | None
    every_seconds: int = 0
    contradicts: bool = False
    life: bool | None = None
    grave: bool = False  # a panic

    @property
    def stands_out(self) -> bool:
        """Whether it is drawn so that nobody passes over it."""
        return self.contradicts or self.grave

    @property
    def short(self) -> str:
        """The text where there is little room."""
        words = self.text
        for long, short in SHORTER.items():
            words = words.replace(long, short)
        return words

    @property
    def sentence(self) -> str:
        """The text where there is room to say in words what a colour says elsewhere."""
        return f"{self.text}, contradicts Off" if self.contradicts else self.text


def grounds_of(slot: Slot) -> list[EvidenceLine]:
    """What rests under a state: who commanded or said it, then what each source shows."""
    lines: list[EvidenceLine] = []
    if slot.latched:
        lines.append(EvidenceLine("latch", "latched", "Latched", slot.latched_note, slot.latched_at))
    if slot.basis == Basis.COMMANDED and slot.since:
        lines.append(EvidenceLine("command", "hand", "", f"commanded by {slot.by or 'the portal'}", slot.since))
    if slot.basis == Basis.PERSON and slot.since:
        lines.append(EvidenceLine("person", "user", "", f"marked as off by {slot.by}", slot.since))
    if slot.is_controller:
        lines.append(EvidenceLine("controller", "shield", "", "runs the portal", None))
    rows = sorted(slot.evidence.all(), key=lambda row: list(ICONS).index(row.kind))
    return lines + [_reading(slot, row) for row in rows if not _is_of_before(slot, row)]


def _is_of_before(slot: Slot, row: Evidence) -> bool:
    """Whether it is a stage of the boot before the last command: of this one it says nothing."""
    return row.kind == EvidenceKind.STAGE and slot.commanded_at is not None and row.at < slot.commanded_at


def _reading(slot: Slot, row: Evidence) -> EvidenceLine:
    """A source's latest reading. Of a console the age that matters is that of its last text, unless it is not read."""
    going_off = slot.power_state in (PowerState.OFF, PowerState.POWERING_OFF)
    text, at, every = row.value, row.at, EVERY_SECONDS[row.kind]
    is_read = timezone.now() - row.at <= timedelta(seconds=3 * every)
    if row.kind == EvidenceKind.UART and is_read and row.life_at:
        text, at, every = "last console text", row.life_at, 0
    return EvidenceLine(
        kind=row.kind,
        icon=ICONS[row.kind],
        label=row.get_kind_display(),
        text=text,
        at=at,
        every_seconds=every,
        contradicts=bool(row.life) and going_off and bool(slot.contradiction),
        life=row.life,
        grave=row.kind == EvidenceKind.STAGE and slot.panicked_at is not None,
    )
