"""The grid and the drawing: slots as they sit, every difference marked, a sentence that says the same."""

from hardware.vlan import Accepts, Tagging
from switch import editing
from switch.documents import USUAL
from switch.views import drawing, grid

NAMES = {1: "ctrl", 4: "osprey"}
COLUMNS = grid.columns(USUAL, NAMES)
LAB = editing.lab(USUAL)
U, T = Tagging.UNTAGGED, Tagging.TAGGED


def drawn(table, running=None, created=()):
    return grid.grid(COLUMNS, table, running, grid.colours(created, table))


def cell(shown, vid, place):
    row = next(row for row in shown.rows if row.vid == vid)
    return next(one for one in row.cells if one.column.place == place)


def test_columns_are_slots_in_order_and_then_the_uplink():
    assert [column.place for column in COLUMNS] == ["1", "2", "3", "4", "5", "6", "7", "uplink"]
    assert [column.port for column in COLUMNS] == [7, 6, 5, 4, 3, 2, 1, 8]
    assert [column.name for column in COLUMNS][:4] == ["ctrl", "empty", "empty", "osprey"]
    assert COLUMNS[1].is_empty
    assert not COLUMNS[7].is_empty


def test_cells_say_how_a_slot_is_in_a_vlan_and_how_it_was():
    moved = editing.join(editing.add(LAB, 20, "build"), 20, USUAL.port(4), U)
    shown = drawn(moved, LAB)
    joined, left, same = cell(shown, 20, "4"), cell(shown, 10, "4"), cell(shown, 10, "5")
    assert (joined.mark, joined.was) == ("U", "–")
    assert joined.words == "VLAN 20, slot 4: untagged, changed, was not a member"
    assert (left.mark, left.was, left.member) == ("–", "U", "")
    assert left.words == "VLAN 10, slot 4: not a member, changed, was untagged"
    assert (same.mark, same.was) == ("U", None)
    assert cell(shown, 10, "uplink").words == "VLAN 10, uplink: tagged"
    assert [row.is_new for row in shown.rows] == [False, False, True]
    intake = {one.column.place: one for one in shown.intake}
    assert (intake["4"].pvid, intake["4"].has_new_pvid) == (20, True)
    assert not intake["5"].has_new_pvid


def test_one_cell_is_the_tab_stop():
    cells = [one for row in drawn(LAB).rows for one in row.cells]
    assert [one.is_first for one in cells].count(True) == 1
    assert cells[0].is_first


def test_a_click_goes_round_and_every_mark_can_be_sent():
    how, seen = None, []
    for _ in range(3):
        how = grid.SENT[grid.NEXT[how]]
        seen.append(how)
    assert seen == [U, T, None]


def test_nothing_is_marked_where_it_is_not_known_what_runs():
    assert [one.was for row in drawn(LAB).rows for one in row.cells if one.was] == []


def test_a_port_in_no_vlan_takes_in_nothing():
    left = drawn(editing.join(LAB, 10, USUAL.port(4), None))
    by_place = {one.column.place: one for one in left.intake}
    assert (by_place["4"].short, by_place["4"].words) == ("none", "no frames")
    assert by_place["uplink"].accepts is Accepts.ALL


def test_colours_go_by_order_of_creation_and_repeat_from_the_seventh():
    table = LAB
    for vid in (20, 30, 40, 50, 60):
        table = editing.add(table, vid, "")
    colours = grid.colours([10, 30, 1], table)
    assert [colours[vid] for vid in (10, 30, 1, 20, 40, 50, 60)] == [1, 2, 3, 4, 5, 6, 1]


def test_the_drawing_says_in_a_sentence_what_it_shows():
    made = drawing.draw(drawn(editing.add(LAB, 20, "build")))
    assert made.words == (
        "VLANs on the board: 1 joins slot 1 and uplink; 10 joins slot 2, slot 3, slot 4, slot 5, slot 6 and slot 7, "
        "tagged on uplink; 20 has no port"
    )
    assert [lane.y for lane in made.lanes] == [72, 104, 136]
    assert made.lanes[0].start == "6.25%"
    assert made.lanes[0].end == "93.75%"
    assert made.boxes[7].end == 104
    assert made.boxes[0].end == 72
    assert (made.boxes[0].colour, made.boxes[7].colour) == (1, 1)


def test_the_drawing_marks_what_is_new_and_crosses_what_goes():
    moved = editing.join(editing.add(LAB, 20, ""), 20, USUAL.port(4), U)
    made = drawing.draw(drawn(moved, LAB))
    lab, build = made.lanes[1], made.lanes[2]
    assert [knot.middle for knot in lab.knots if knot.is_gone] == ["43.75%"]
    assert [(knot.middle, knot.is_new) for knot in build.knots] == [("43.75%", True)]
