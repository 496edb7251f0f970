"""The pages of the switch: what each shows to whom, what a touch of the grid keeps, what is refused in which words."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client
from django.utils import timezone

from hardware.switch_setup import SwitchSetup
from hardware.vlan import Tagging
from operations.models import AuditEntry
from slots.models import Board
from switch import editing, wording
from switch.documents import USUAL, to_document
from switch.models import PortReading, SwitchDraft, VlanChange, VlanRevision
from switch.services import changes, drafts, rates
from tests.slots.pages import person
from tests.switch import rig
from tests.switch.pages import PAGE, text

PANEL = {"HX-Request": "true", "HX-Target": "switch"}


def send(client: Client, path: str, status: int = 200, **fields: Any) -> str:
    """What a form of the page is answered with."""
    answer = client.post(PAGE + path, fields, headers=PANEL)
    assert answer.status_code == status, text(answer)
    return text(answer)


def cells(answer: HttpResponse, vid: int) -> str:
    """The marks of a VLAN's row, slots then uplink: "U-U----T"."""
    row = re.search(rf'<tr [^>]*data-vid="{vid}".*?</tr>', answer.content.decode(), re.DOTALL)
    assert row, f"no VLAN {vid}"
    return "".join(mark or "-" for mark in re.findall(r'data-m="(.?)"', row.group()))


def test_a_switch_that_was_never_read_asks_for_the_scan_first(nina, switch):
    page = text(nina.get(PAGE))
    assert "The switch was not read yet" in page
    assert "Read the whole table" in page
    assert "All 4,096 entries" in page


def test_a_board_without_a_switch_shows_the_pages_and_one_sentence_why(nina, board, monkeypatch):
    Board.objects.filter(pk=board.pk).update(switch_problem="No reply at 0x5C after 3 tries.")
    answer = nina.get(PAGE)
    assert "No reply at 0x5C after 3 tries." in text(answer)
    assert 'id="cell-' not in answer.content.decode()
    assert "Templates" not in text(answer)
    assert "No reply at 0x5C" in send(nina, "edit", 409, cell="1:4:U")
    assert drafts.get(board) is None


def test_the_grid_shows_slots_in_their_order_and_no_port_of_the_chip(vera, home):
    answer = vera.get(PAGE)
    assert cells(answer, 1) == "UUU----U"
    assert cells(answer, 10) == "---UU---"
    assert "You watch. Changing VLANs needs the role network engineer; vera is viewer." in text(answer)
    assert '<button class="vc"' not in answer.content.decode()
    assert not re.search(r"\bport \d", text(answer))


def test_a_touch_of_a_cell_becomes_the_draft_and_says_what_would_change(nina, home, board):
    page = send(nina, "edit", cell="10:3:U")
    assert "Slots by VLAN, draft" in page
    assert "Slot 3: PVID 1 → 10, untagged in 10" in page
    draft = drafts.get(board)
    assert draft
    assert draft.changed_by == "nina"
    assert draft.table == editing.join(rig.HOME, 10, USUAL.port(3), Tagging.UNTAGGED)
    assert 'data-was="–"' in nina.get(PAGE).content.decode()
    assert "No draft." in send(nina, "discard")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("99:3:U", "VLAN 99 is not in the table."),
        ("10:9:U", "A port is a slot's number, 1 to 7, or \"uplink\", not '9'."),
        ("10:3:X", "A cell is a VID"),
        ("", "A cell is a VID"),
        ("1000000:3:U", "A cell is a VID"),
        ("²:3:U", "A cell is a VID"),
    ],
)
def test_a_cell_that_is_not_there_is_refused_in_one_sentence(nina, home, board, cell, words):
    said = send(nina, "edit", 400, cell=cell)
    assert words.replace("'9'", "9") in said.replace("'9'", "9")
    assert drafts.get(board) is None


def test_a_viewer_changes_nothing(vera, home, board):
    for path, fields in (("edit", {"cell": "10:3:U"}), ("vlans/new", {"vid": "20"}), ("templates/lab", {})):
        assert "needs the role network engineer" in send(vera, path, 403, **fields)
    for path in ("commit", "scan", "discard"):
        send(vera, path, 403, fingerprint="x")
    for path in ("vlans/new", "vlans/10", "intake", "templates/lab", "import", "preview"):
        assert vera.get(PAGE + path, headers=PANEL).status_code == 403, path
    assert not SwitchDraft.objects.exclude(document=None).exists()
    assert AuditEntry.objects.filter(outcome="refused", actor="vera").exists()


def test_nobody_sees_anything_without_signing_in(home):
    for path in ("", "revisions/", "vlans.yaml", "preview"):
        assert Client().get(PAGE + path).status_code == 302


def test_vlans_come_are_renamed_and_go(nina, home, board):
    assert "20 build" in send(nina, "vlans/new", name="build", vid="20")
    assert "VLAN 20 is in the table twice." in send(nina, "vlans/new", 400, vid="20")
    assert "VID: " in send(nina, "vlans/new", 400, vid="5000")
    assert "Name: " in send(nina, "vlans/new", 400, vid="30", name="x" * 33)
    send(nina, "vlans/20", name="workshop", manages="on")
    table = drafts.get(board).table
    assert (table.vlan(20).name, table.management_vid) == ("workshop", 20)
    assert "own pages are in VLAN 20" in send(nina, "vlans/20", 400, remove="1")
    send(nina, "vlans/10", remove="1")
    assert [vlan.vid for vlan in drafts.get(board).table.vlans] == [1, 20]
    assert nina.get(f"{PAGE}vlans/10", headers=PANEL).status_code == 404


def test_what_ports_take_in_is_chosen_for_all_at_once(nina, home, board):
    form = nina.get(f"{PAGE}intake", headers=PANEL)
    assert "PVID of slot 4" in text(form)
    said = {f"pvid-{place}": str(rig.HOME.rules[USUAL.port(place)].pvid or "") for place in (*range(1, 8), "uplink")}
    said |= {f"accepts-{place}": str(rig.HOME.rules[USUAL.port(place)].accepts) for place in (*range(1, 8), "uplink")}
    page = send(nina, "intake", **said | {"accepts-4": "all"})
    assert "Slot 4: takes in all frames" in page
    assert "The switch cannot do this. Slot 4 is in no VLAN that is tagged" in page, "the chip's own limits, in slots"
    assert "What works: slot 4 takes in untagged frames only." in page
    assert "The PVID of slot 4, 1, is not a VLAN that the port is in." in send(
        nina, "intake", 400, **said | {"pvid-4": "1"}
    )


def test_a_template_takes_the_place_of_the_draft_once_asked(nina, home, board):
    send(nina, "edit", cell="10:3:U")
    asked = text(nina.get(f"{PAGE}templates/separate", headers=PANEL))
    assert "It takes the place of the draft that nina changed last." in asked
    send(nina, "templates/separate")
    assert drafts.get(board).table == editing.separate(USUAL)
    assert nina.get(f"{PAGE}templates/none", headers=PANEL).status_code == 404


def test_a_table_leaves_as_a_file_and_comes_back_as_the_draft(nina, home, board):
    answer = nina.get(f"{PAGE}vlans.yaml")
    assert "demo-vlans.yaml" in answer["Content-Disposition"]
    send(nina, "import", typed=answer.content.decode())
    assert drafts.get(board).table == rig.HOME
    assert "Choose a file or write the text, one of them." in send(nina, "import", 400)
    assert "This is not YAML" in send(nina, "import", 400, typed="a: [")


def test_the_preview_reads_the_switch_and_says_what_is_cut_off(nina, home, board):
    send(nina, "edit", cell="10:3:U")
    said = text(nina.get(f"{PAGE}preview", headers=PANEL))
    assert "Slot 3: PVID 1 → 10, untagged in 10" in said
    assert "Cut off while it is written, for a second or so: slot 3." in said
    assert "Management stays as it is" in said
    assert "Commit 1 change" in said


def test_what_cuts_management_needs_an_administrator_who_says_so(nina, home, board):
    send(nina, "edit", cell="1:uplink:-")
    said = text(nina.get(f"{PAGE}preview", headers=PANEL))
    assert "The uplink" in said
    assert "management" in said
    assert "needs the role administrator; nina is network engineer." in said
    assert "Commit" not in said.replace("Commit to the switch", "")
    asked = text(person("administrator").get(f"{PAGE}preview", headers=PANEL))
    assert "Do it nevertheless" in asked


def test_a_preview_of_nothing_is_refused(nina, home):
    answer = nina.get(f"{PAGE}preview", headers=PANEL)
    assert answer.status_code == 409
    assert "There is no draft" in text(answer)


def committed(client: Client, board: Board, monkeypatch) -> VlanChange:
    """A change from the page; the worker has not had its message."""
    send(client, "edit", cell="10:3:U")
    asked = client.get(f"{PAGE}preview", headers=PANEL).content.decode()
    fingerprint = re.search(r'name="fingerprint" value="(\w+)"', asked)[1]
    send(client, "commit", fingerprint=fingerprint, reason="kestrel joins", revert_after_seconds="300", key="k1")
    return changes.find(board, 1)


@pytest.fixture
def waiting(nina, home, board, monkeypatch) -> VlanChange:
    """A change of nina's that was written and waits."""
    change = committed(nina, board, monkeypatch)
    now = timezone.now()
    deadline = now + timedelta(seconds=20)
    VlanChange.objects.filter(pk=change.pk).update(
        state=VlanChange.State.AWAITING, applied_at=now, deadline_at=deadline
    )
    return changes.find(board, 1)


def test_a_commit_is_queued_as_it_was_asked_for_and_editing_waits(nina, home, board, monkeypatch):
    change = committed(nina, board, monkeypatch)
    assert (change.revert_after_seconds, change.operation.reason) == (300, "kestrel joins")
    page = text(nina.get(PAGE))
    assert "Change 1: Queued." in page
    assert "editing waits for its end" in page
    assert "Change 1 is not over" in send(nina, "edit", 409, cell="10:2:U")


def test_only_who_committed_can_keep_it_and_others_can_take_it_back(nina, waiting, board):
    assert "Keep change 1" in text(nina.get(PAGE))
    alice = person("administrator")
    page = text(alice.get(PAGE))
    assert "Only nina, who committed it, can keep it." in page
    assert "Keep change 1" not in page
    assert "Roll back now" in page
    assert "nina committed this change" in send(alice, "changes/1/confirm", 403)
    send(nina, "changes/1/extend")
    assert changes.find(board, 1).extended_seconds > 0
    page = send(nina, "changes/1/confirm")
    assert "Running table differs" in page or "revision 2" in page
    assert VlanRevision.objects.filter(board=board, number=2, author="nina").exists()


def test_the_countdown_is_announced_once_and_read_from_the_deadline(nina, waiting):
    page = nina.get(PAGE).content.decode()
    deadline = f'datetime="{waiting.deadline_at.isoformat(timespec="seconds")}'
    block = re.search(r'<div class="confirm"[^>]*>', page).group()
    assert 'role="alert"' in block
    assert "hx-preserve" in block, "reading the panel again says nothing again"
    assert deadline[: len('datetime="2026-11-22T23:27:40')] in page


def test_a_change_that_could_not_be_undone_names_the_registers_until_seen(nina, waiting):
    VlanChange.objects.update(
        state=VlanChange.State.ROLLBACK_FAILED,
        rolled_back_because="Nobody confirmed it in time.",
        differences=[{"register": "VLAN entry 10", "address": "0x310014", "wanted": "0x1", "found": "0x3"}],
    )
    page = text(nina.get(PAGE))
    assert "Change 1 could not be undone. Nobody confirmed it in time." in page
    assert "VLAN entry 10 0x310014 0x1 0x3" in page
    assert "Change 1 could not be undone" not in send(nina, "changes/1/acknowledge")


def test_a_change_that_came_to_nothing_says_why(nina, waiting):
    VlanChange.objects.update(state=VlanChange.State.ROLLED_BACK, rolled_back_because="Nobody confirmed it in time.")
    page = text(nina.get(PAGE))
    assert "Change 1 Rolled back Nobody confirmed it in time." in page
    assert "Preview 1 change" in page, "the draft is still there"


def test_revisions_are_listed_drawn_and_become_the_draft(nina, vera, home, board):
    document = to_document(SwitchSetup(editing.lab(USUAL)), USUAL)
    VlanRevision.objects.create(
        board=board,
        number=2,
        document=document,
        words=["VLAN 10 (lab) is new"],
        author="bob",
        confirmed_at=timezone.now(),
    )
    page = text(vera.get(f"{PAGE}revisions/"))
    assert "VLAN 10 (lab) is new" in page
    assert "Make it the draft" not in page
    assert cells(vera.get(f"{PAGE}revisions/2/"), 10) == "-UUUUUUT"
    assert "Make it the draft" in text(nina.get(f"{PAGE}revisions/2/"))
    assert nina.post(f"{PAGE}revisions/2/restore").status_code == 302
    assert drafts.get(board).table == editing.lab(USUAL)
    assert vera.get(f"{PAGE}revisions/3/").status_code == 404
    assert "The switch is not as it was left." in text(vera.get(PAGE))
    assert "Make revision 2 the draft" not in text(vera.get(PAGE)) + text(nina.get(PAGE)), "it is the draft"
    send(nina, "discard")
    assert "Make revision 2 the draft" in text(nina.get(PAGE))


@pytest.mark.parametrize(
    ("said", "shown_as"),
    [
        ("port 4 is in no VLAN", "slot 4 is in no VLAN"),
        ("ports 3 and 8 tagged", "slot 5 and the uplink tagged"),
        ("Ports 1, 2 and 8 then", "Slot 7, slot 6 and the uplink then"),
        ("a whole port or a whole VLAN", "a whole port or a whole VLAN"),
    ],
)
def test_the_switchs_port_numbers_stay_out_of_sight(said, shown_as):
    assert wording.in_slots(said, USUAL) == shown_as


def test_ports_show_links_and_rates_by_slot(vera, home, board):
    assert "Not read yet" in text(vera.get(f"{PAGE}ports/"))
    seconds = iter((0.0, 10.0))
    watch = rates.Watch(lambda: next(seconds))
    watch.look()
    frame = vera.get(f"{PAGE}ports/")
    assert "ssh -L 8080:10.10.11.10:80 USER@testserver" in text(frame)
    assert "in VLAN 1" in text(frame)
    assert re.findall(r'<th scope="row">(\w+)</th>', frame.content.decode()) == [*"1234567", "Uplink"]
    assert text(frame).count("1 Gb/s") == 8
    home.model.set_partner(USUAL.port(4), 0)
    for _ in range(100):
        home.reach(USUAL.port(3))
    watch.look()
    panel = vera.get(f"{PAGE}ports/", headers={"HX-Request": "true", "HX-Target": "ports"})
    assert "4 osprey no link 0 b/s 0 B 0 b/s 0 B" in text(panel)
    assert re.search(r"3 \S+ 1 Gb/s [0-9.]+ kb/s [0-9.]+ kB 0 b/s", text(panel)), text(panel)
    assert "Last hour: at most" in panel.content.decode()
    assert "traffic@demo" in panel.content.decode()
    assert "<h1>" not in panel.content.decode()


def test_addresses_are_shown_by_slot(vera, home):
    into = {"HX-Request": "true", "HX-Target": "addresses"}
    assert "Reading the switch" in text(vera.get(f"{PAGE}addresses/"))
    assert "No address learnt" in text(vera.get(f"{PAGE}addresses/", headers=into))
    home.reach(USUAL.port(4))
    PortReading.objects.update(addresses_due_at=None, addresses_sought_at=None)
    said = text(vera.get(f"{PAGE}addresses/", headers=into))
    assert re.search(r"4 osprey [0-9a-f:]{17} 10 within the last \d+ \w+", said), said
    before = home.transfers
    assert said.partition(" within")[0] in text(vera.get(f"{PAGE}addresses/")), "the page itself reads rows only"
    assert home.transfers == before


def test_ports_and_addresses_of_a_switch_out_of_reach_say_why(vera, board):
    Board.objects.filter(pk=board.pk).update(switch_problem="No reply at 0x5C after 3 tries.")
    for tab in ("ports", "addresses", "isolation"):
        assert "No reply at 0x5C after 3 tries." in text(vera.get(f"{PAGE}{tab}/"))
