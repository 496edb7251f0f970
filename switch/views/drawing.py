"""The board with its VLANs drawn: a lane for each VLAN, a knot where a slot is in it. Figures for the SVG. Pure."""

from dataclasses import dataclass

from switch.views.grid import Cell, Grid, Row

HEAD, FIRST_LANE, LANE = 52, 72, 32  # px: below the slots' boxes, middle of the first lane, from lane to lane


@dataclass(frozen=True)
class Box:
    """A slot or the uplink at the top. Places across are percent, so that it grows with the page."""

    title: str
    name: str
    is_empty: bool
    colour: int  # of its PVID; 0 for none
    middle: str
    left: str
    end: int  # px: how far down its trace reaches


@dataclass(frozen=True)
class Knot:
    """Where a column is in a VLAN, or was."""

    middle: str
    mark: str
    is_tagged: bool
    is_new: bool
    is_gone: bool


@dataclass(frozen=True)
class Lane:
    """A VLAN from its first column to its last."""

    vid: int
    name: str
    colour: int
    y: int
    start: str
    end: str
    knots: tuple[Knot, ...]

    @property
    def top(self) -> int:
        return self.y - 10

    @property
    def ring(self) -> int:
        return self.y - 13

    @property
    def text(self) -> int:
        return self.y + 4

    @property
    def cross(self) -> tuple[int, int]:
        return self.y - 6, self.y + 6


@dataclass(frozen=True)
class Drawing:
    """The whole of it, with the sentence that says the same."""

    boxes: tuple[Box, ...]
    lanes: tuple[Lane, ...]
    height: int
    words: str


def draw(grid: Grid) -> Drawing:
    """The drawing of a grid."""
    middles = {column.place: 100 * (2 * at + 1) / (2 * len(grid.columns)) for at, column in enumerate(grid.columns)}
    lanes = tuple(_lane(row, FIRST_LANE + LANE * at, middles) for at, row in enumerate(grid.rows))
    colours = {row.vid: row.colour for row in grid.rows}
    boxes = []
    for intake in grid.intake:
        column, middle = intake.column, middles[intake.column.place]
        reach = [
            lane.y for lane, row in zip(lanes, grid.rows, strict=True) if column in [c.column for c in row.members]
        ]
        colour = colours.get(intake.pvid or 0, 0)
        boxes.append(
            Box(
                column.title,
                column.name,
                column.is_empty,
                colour,
                f"{middle:.2f}%",
                f"{middle - 5.65:.2f}%",
                max(reach, default=0),
            )
        )
    height = FIRST_LANE + LANE * len(lanes) - 8
    return Drawing(tuple(boxes), lanes, height, _words(grid))


def _lane(row: Row, y: int, middles: dict[str, float]) -> Lane:
    joined = [middles[cell.column.place] for cell in row.members]
    ends = (min(joined), max(joined)) if joined else (0.0, 0.0)
    knots = tuple(_knot(cell, middles) for cell in row.cells if cell.how or cell.was)
    return Lane(row.vid, row.name, row.colour, y, f"{ends[0]:.2f}%", f"{ends[1]:.2f}%", knots)


def _knot(cell: Cell, middles: dict[str, float]) -> Knot:
    return Knot(
        f"{middles[cell.column.place]:.2f}%",
        cell.mark,
        is_tagged=cell.mark == "T",
        is_new=cell.was is not None and bool(cell.how),
        is_gone=not cell.how,
    )


def _words(grid: Grid) -> str:
    """ "VLANs on the board: 1 joins slot 1 and uplink; 10 joins slots 2 and 3, tagged on uplink"."""
    return f"VLANs on the board: {'; '.join(_row_words(row) for row in grid.rows) or 'none'}"


def _row_words(row: Row) -> str:
    untagged = [cell.column.words for cell in row.members if cell.mark == "U"]
    tagged = [cell.column.words for cell in row.members if cell.mark == "T"]
    parts = [f"joins {_listed(untagged)}"] if untagged else []
    parts += [f"tagged on {_listed(tagged)}"] if tagged else []
    return f"{row.vid} {', '.join(parts) or 'has no port'}"


def _listed(words: list[str]) -> str:
    *some, last = words
    return f"{', '.join(some)} and {last}" if some else last
