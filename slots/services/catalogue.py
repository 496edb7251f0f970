"""The rows that exist before anybody clicks: SOM types, boards from board files, the demo board's SOMs."""

from pathlib import Path

from django.conf import settings
from django.db import transaction

from hardware.boardspec import BoardSpec, load_board
from hardware.som import TRAITS
from slots.models import FIRST, LAST, Board, Slot, Som, SomType

DESCRIPTIONS = {
    "LM3H": "Longan Module 3H, Allwinner H618, 4 x A53 1.5 GHz",
    "M4N": "MaixIV M4N, Axera AX650N, 8 x A55 1.6 GHz, 18 TOPS NPU",
    "CM4": "Raspberry Pi Compute Module 4, BCM2711, 4 x A72 1.5 GHz",
    "CM5": "Raspberry Pi Compute Module 5, BCM2712, 4 x A76 2.4 GHz",
}
# The simulated board of a fresh portal (docs: "The simulated board"); slot 7 is empty.
DEMO_SOMS = {
    1: ("LM3H", "ctrl", 4, 32),
    2: ("CM4", "heron", 4, 32),
    3: ("CM5", "kestrel", 8, 64),
    4: ("CM5", "osprey", 8, 64),
    5: ("M4N", "merlin", 8, 32),
    6: ("LM3H", "wren", 2, 32),
}


def seed_som_types() -> None:
    """Make or refresh the four shipped SOM types; rows of third parties stay as they are."""
    for name, traits in TRAITS.items():
        row = {**traits.to_mapping(), "shipped": True, "description": DESCRIPTIONS[name]}
        row.pop("name")
        SomType.objects.update_or_create(name=name, defaults=row)


def board_specs() -> dict[str, BoardSpec]:
    """Board files by slug, read afresh. Raises hardware.errors.BoardFileError naming file and key."""
    folder = Path(settings.BOARDS_DIR)
    return {path.stem: load_board(path) for path in sorted(folder.glob("*.toml"))}


def sync_boards() -> list[Board]:
    """Give every board file its row and slots, and mark rows whose file is gone as not present."""
    specs = board_specs()
    with transaction.atomic():
        seed_som_types()
        Board.objects.exclude(slug__in=specs).update(present=False)
        return [_sync(slug, spec) for slug, spec in specs.items()]


def _sync(slug: str, spec: BoardSpec) -> Board:
    fresh = {"name": spec.name or slug, "supply": spec.supply}
    board, made = Board.objects.get_or_create(slug=slug, defaults=fresh)
    board.simulated, board.present, board.supply_watts = spec.simulated, True, spec.supply_watts
    board.save(update_fields=["simulated", "present", "supply_watts"])
    for number in range(FIRST, LAST + 1):
        wiring = spec.slots.get(number)
        Slot.objects.update_or_create(
            board=board,
            number=number,
            defaults={"uart": bool(wiring and wiring.uart), "probe": (wiring.probe if wiring else "") or ""},
        )
    if made and spec.simulated:
        _populate_demo(board)
    return board


def _populate_demo(board: Board) -> None:
    types = {row.name: row for row in SomType.objects.all()}
    for slot in board.slots.all():
        if slot.number in DEMO_SOMS:
            kind, name, memory, emmc = DEMO_SOMS[slot.number]
            Som.objects.create(slot=slot, som_type=types[kind], name=name, memory_gb=memory, emmc_gb=emmc)
