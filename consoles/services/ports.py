"""The settings of serial ports: what the daemon goes by, and what people change of them."""

from dataclasses import dataclass
from datetime import timedelta

from consoles.models import ConsolePort, StageRule
from consoles.stages import Rule
from slots.models import Slot

DEFAULT_BAUD = 115200
MIB = 2**20


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


def port_of(slot: Slot) -> ConsolePort:
    """The row of `slot`'s port; an unsaved one with the defaults if nobody changed any."""
    return getattr(slot, "console_port", None) or ConsolePort(slot=slot)


def _settings(slot: Slot, rules: list[StageRule]) -> PortSettings:
    som = getattr(slot, "som", None)
    kind = som.som_type_id if som else None
    port = port_of(slot)
    return PortSettings(
        baud=port.baud or (som.som_type.baud if som else DEFAULT_BAUD),
        recording=port.recording,
        quota_bytes=port.quota_mib * MIB,
        retention=timedelta(days=port.retention_days),
        rules=tuple(Rule(r.stage, r.match, r.text) for r in rules if r.som_type_id in (None, kind)),
    )
