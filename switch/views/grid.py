"""The VLAN grid as it is drawn: slots as they sit, then the uplink; what the draft would change. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from hardware.vlan import Accepts, Tagging, VlanTable
from switch.documents import UPLINK, Wiring

COLOURS = 6  # from the seventh VLAN on they repeat
MARKS = {Tagging.UNTAGGED: "U", Tagging.TAGGED: "T", None: "–"}
WORDS = {Tagging.UNTAGGED: "untagged", Tagging.TAGGED: "tagged", None: "not a member"}
#: What a key or a click sends -> how the port is then in the VLAN
SENT: dict[str, Tagging | None] = {"U": Tagging.UNTAGGED, "T": Tagging.TAGGED, "-": None}
#: What a click makes of a cell
NEXT = {None: "U", Tagging.UNTAGGED: "T", Tagging.TAGGED: "-"}
ACCEPTS = {Accepts.ALL: "all", Accepts.TAGGED: "tagged", Accepts.UNTAGGED: "untagged"}
SHORT = {Accepts.ALL: "all", Accepts.TAGGED: "tag.", Accepts.UNTAGGED: "untag."}


@dataclass(frozen=True)
class Column:
    """A slot or the uplink. `place` names it in addresses and forms: "3", "uplink"."""

    port: int
    place: str
    title: str
    name: str  # of what sits there
    words: str
    is_empty: bool


@dataclass(frozen=True)
class Cell:
    """How a column is in a VLAN. `was` is how it is in the running table, None where that is the same or unknown."""

    column: Column
    vid: int
    how: Tagging | None
    was: str | None
    is_first: bool

    @property
    def mark(self) -> str:
        return MARKS[self.how]

    @property
    def member(self) -> str:
        return self.mark if self.how else ""

    @property
    def next(self) -> str:
        return NEXT[self.how]

    @property
    def words(self) -> str:
        said = f"VLAN {self.vid}, {self.column.words}: {WORDS[self.how]}"
        before = {MARKS[how]: words for how, words in WORDS.items()}
        return f"{said}, changed, was {before[self.was]}" if self.was else said


@dataclass(frozen=True)
class Row:
    """A VLAN. `gone` are the columns that it loses."""

    vid: int
    name: str
    colour: int
    cells: tuple[Cell, ...]
    is_management: bool
    is_new: bool

    @property
    def members(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.how]


@dataclass(frozen=True)
class Intake:
    """What a column does with frames that come in."""

    column: Column
    pvid: int | None
    accepts: Accepts
    has_new_pvid: bool
    has_new_accepts: bool

    @property
    def short(self) -> str:
        return "none" if self.takes_nothing else SHORT[self.accepts]

    @property
    def words(self) -> str:
        return "no frames" if self.takes_nothing else f"{ACCEPTS[self.accepts]} frames"

    @property
    def takes_nothing(self) -> bool:
        return self.pvid is None and self.accepts is Accepts.TAGGED and not self.is_member

    is_member: bool = True


@dataclass(frozen=True)
class Grid:
    """The whole of it."""

    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    intake: tuple[Intake, ...]
    management_vid: int


def columns(wiring: Wiring, names: Mapping[int, str]) -> tuple[Column, ...]:
    """Slots 1 to 7, then the uplink; `names` are those of the SOMs by slot."""
    slots = tuple(
        Column(port, str(slot), str(slot), names.get(slot) or "empty", f"slot {slot}", slot not in names)
        for slot, port in sorted(wiring.slots.items())
    )
    return (*slots, Column(wiring.uplink, UPLINK, "Uplink", "RJ45", "uplink", is_empty=False))


def colours(created: Iterable[int], table: VlanTable) -> dict[int, int]:
    """The colour of each VLAN, 1 to 6 by order of creation: of those ever `created`, then of the table's others."""
    order = dict.fromkeys((*created, *(vlan.vid for vlan in table.vlans)))
    return {vid: place % COLOURS + 1 for place, vid in enumerate(order)}


def grid(shown: tuple[Column, ...], table: VlanTable, running: VlanTable | None, colour: Mapping[int, int]) -> Grid:
    """The grid of `table`, each difference to `running` marked; with None for `running`, nothing is."""
    held = {vlan.vid: vlan.members for vlan in running.vlans} if running else {}
    rows: list[Row] = []
    for vlan in table.vlans:
        cells: list[Cell] = []
        for column in shown:
            how, was = vlan.members.get(column.port), held.get(vlan.vid, {}).get(column.port)
            changed = running is not None and how is not was
            is_first = not rows and not cells
            cells.append(Cell(column, vlan.vid, how, MARKS[was] if changed else None, is_first))
        is_new = running is not None and vlan.vid not in held
        managing = vlan.vid == table.management_vid
        rows.append(Row(vlan.vid, vlan.name, colour[vlan.vid], tuple(cells), managing, is_new))
    intake = tuple(_intake(column, table, running) for column in shown)
    return Grid(shown, tuple(rows), intake, table.management_vid)


def _intake(column: Column, table: VlanTable, running: VlanTable | None) -> Intake:
    rule = table.rules[column.port]
    before = running.rules[column.port] if running else rule
    return Intake(
        column,
        rule.pvid,
        rule.accepts,
        has_new_pvid=rule.pvid != before.pvid,
        has_new_accepts=rule.accepts is not before.accepts,
        is_member=any(table.vids(column.port, how) for how in Tagging),
    )
