"""Links, isolation and mirror in the draft: what each touch keeps, what it says of the switch, who may."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from hardware.switch_setup import FlowControl, Mirror, PortSetup
from slots.models import Board
from switch.documents import USUAL, to_document
from switch.models import VlanChange, VlanRevision
from switch.services import changes, drafts, rates
from tests.slots.pages import person
from tests.switch import rig
from tests.switch.pages import PAGE, text

SLOT2, SLOT3, SLOT4, UPLINK = USUAL.port(2), USUAL.port(3), USUAL.port(4), USUAL.uplink
USUAL_LINK = {"enabled": "on", "link": "auto", "flow_control": "auto"}


def send(client: Client, path: str, into: str, status: int = 200, **fields: Any) -> str:
    """What a form of the page is answered with."""
    answer = client.post(PAGE + path, fields, headers={"HX-Request": "true", "HX-Target": into})
    assert answer.status_code == status, text(answer)
    return text(answer)


def ask(client: Client, path: str, into: str = "dialog-host") -> str:
    answer = client.get(PAGE + path, headers={"HX-Request": "true", "HX-Target": into})
    assert answer.status_code == 200
    return answer.content.decode()


# Links


def test_how_a_port_makes_its_link_becomes_the_draft_and_is_marked_as_not_on_the_switch(nina, home, board):
    rates.Watch().look()
    form = ask(nina, "ports/4")
    assert "Link of slot 4 in the draft" in form
    assert "The way to this portal" not in form
    said = send(nina, "ports/4", "ports", enabled="on", link="100-full", flow_control="off")
    assert "100 Mb/s, full duplex, without flow control in the draft" in said
    assert "In the draft, not on the switch:" in said
    draft = drafts.get(board)
    assert draft
    assert draft.setup.ports[SLOT4] == PortSetup(mbps=100, flow_control=FlowControl.OFF)
    assert draft.table == rig.HOME, "the VLANs are as they run"
    assert 'value="100-full" selected' in ask(nina, "ports/4")
    assert "In the draft" not in send(nina, "ports/4", "ports", **USUAL_LINK)


def test_a_port_is_switched_off(nina, home, board):
    rates.Watch().look()
    said = send(nina, "ports/3", "ports", link="auto", flow_control="auto")
    assert re.search(r"3 \S+ .*? off in the draft", said)
    assert not drafts.get(board).setup.ports[SLOT3].enabled


def test_the_links_that_lead_to_the_portal_say_so(nina, home):
    for place in ("1", "uplink"):
        assert "The way to this portal goes through" in ask(nina, f"ports/{place}")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"link": "100-full-forced", "flow_control": "auto"}, "Without negotiation, flow control is on or off"),
        ({"link": "2500", "flow_control": "auto"}, "Link: "),
        ({"link": "auto", "flow_control": "sometimes"}, "Flow control: "),
    ],
)
def test_a_link_that_cannot_be_is_refused_in_one_sentence(nina, home, board, fields, words):
    assert words in send(nina, "ports/4", "ports", 400, **fields)
    assert drafts.get(board) is None


def test_what_nobody_has_read_is_not_shown_as_if_it_were_known(vera, switch):
    rates.Watch().look()
    assert ask(vera, "ports/", "ports").count('<span class="grow">not known') == 8
    assert "Isolation, to begin with" in text(vera.get(f"{PAGE}isolation/"))


def test_there_is_no_eighth_slot(nina, home):
    assert nina.get(f"{PAGE}ports/8").status_code == 404
    send(nina, "ports/9", "ports", 404, **USUAL_LINK)


# Isolation


def marks(answer: str, title: str) -> str:
    """A row of the matrix: "✕" kept apart, "–" not, a blank where a slot meets itself."""
    (row,) = [row for row in re.findall(r"<tr>.*?</tr>", answer, re.DOTALL) if f'<th scope="row"><b>{title}</b>' in row]
    fields = re.findall(r"<td>(.*?)</td>", row, re.DOTALL)
    return "".join("✕" if "✕</span>" in field else "–" if "–</span>" in field else " " for field in fields)


def test_a_touch_keeps_two_apart_in_both_their_rows(nina, home, board):
    page = ask(nina, "isolation/", "isolation")
    assert (marks(page, "2"), marks(page, "Uplink")) == ("– ––––––", "––––––– ")
    said = send(nina, "isolation/pair", "isolation", pair="2:uplink:apart")
    assert "Slot 2 and the uplink are kept apart" in said
    page = ask(nina, "isolation/", "isolation")
    assert (marks(page, "2"), marks(page, "Uplink")) == ("– –––––✕", "–✕––––– ")
    assert 'data-was="–"' in page
    assert "slot 2 and uplink: kept apart, changed" in page
    assert drafts.get(board).setup.are_apart(SLOT2, UPLINK)
    send(nina, "isolation/pair", "isolation", pair="uplink:2:together")
    assert drafts.get(board).setup.apart == frozenset()


def test_all_slots_are_kept_apart_at_once_and_nobody_again(nina, home, board):
    said = send(nina, "isolation/all/slots-apart", "isolation")
    assert "15 pairs kept apart" in said
    page = ask(nina, "isolation/", "isolation")
    assert (marks(page, "1"), marks(page, "4")) == (" –––––––", "–✕✕ ✕✕✕–")
    assert "Nobody is kept apart" in send(nina, "isolation/all/nobody-apart", "isolation")
    send(nina, "isolation/all/everybody", "isolation", 404)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("2:2:apart", "Slot 2 cannot be kept apart from itself."),
        ("2:9:apart", "A port is a slot's number"),
        ("2:3:maybe", "A pair is two slots"),
        ("2:3", "A pair is two slots"),
        ("", "A pair is two slots"),
    ],
)
def test_a_pair_that_cannot_be_is_refused_in_one_sentence(nina, home, board, pair, words):
    assert words in send(nina, "isolation/pair", "isolation", 400, pair=pair)
    assert drafts.get(board) is None


# Mirror


def test_copies_are_asked_for_by_slot_and_ended_again(nina, home, board):
    fields = {"to": "5", "entering-3": "on", "leaving-uplink": "on"}
    said = send(nina, "mirror", "isolation", **fields)
    assert "Slot 5 gets copies of what enters at slot 3, and of what leaves at the uplink" in said
    mirror = drafts.get(board).setup.mirror
    assert mirror == Mirror(USUAL.port(5), frozenset({SLOT3}), frozenset({UPLINK}))
    page = ask(nina, "mirror")
    assert re.search(r'<option value="5" selected', page)
    assert 'name="entering-3" id="id_entering-3" checked' in page
    assert "Nothing is mirrored." in send(nina, "mirror", "isolation", to="")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"to": "5"}, "Slot 5 is to get copies, but of no port."),
        ({"to": "5", "entering-5": "on"}, "Slot 5 cannot get copies of its own frames."),
        ({"to": "8"}, "Copies go to: "),
    ],
)
def test_a_mirror_that_cannot_be_is_refused_in_one_sentence(nina, home, board, fields, words):
    assert words in send(nina, "mirror", "isolation", 400, **fields)
    assert drafts.get(board) is None


# Where VLANs are shown


def test_the_grid_says_what_else_keeps_slots_apart(nina, vera, home, board):
    assert "Beside the VLANs" not in text(vera.get(PAGE))
    send(nina, "isolation/pair", "isolation", pair="2:3:apart")
    send(nina, "ports/4", "ports", enabled="on", link="10-full", flow_control="auto")
    said = text(vera.get(PAGE))
    assert "Slot 4: 10 Mb/s, full duplex, flow control as negotiated. Slot 2 and slot 3 are kept apart." in said
    document = to_document(drafts.get(board).setup, USUAL)
    VlanRevision.objects.create(board=board, number=2, document=document, author="bob", confirmed_at=timezone.now())
    assert "Slot 2 and slot 3 are kept apart." in text(vera.get(f"{PAGE}revisions/2/"))


# Who, and when


def test_a_viewer_sees_all_of_it_and_changes_nothing(vera, home, board):
    page = ask(vera, "isolation/", "isolation")
    assert "You watch. Changing VLANs needs the role network engineer" in page
    assert "<button" not in page
    assert marks(page, "2") == "– ––––––"
    for path in ("isolation/pair", "isolation/all/slots-apart", "mirror", "ports/4"):
        send(vera, path, "isolation", 403, **USUAL_LINK, pair="2:3:apart", to="")
    assert vera.get(f"{PAGE}ports/4").status_code == 403
    assert drafts.get(board) is None


def test_nobody_edits_while_a_change_is_open(nina, home, board, engineer):
    send(nina, "isolation/pair", "isolation", pair="2:3:apart")
    made = changes.preview(board, engineer)
    changes.commit(board, made.plan.fingerprint, engineer)
    VlanChange.objects.update(state=VlanChange.State.APPLYING)
    page = ask(nina, "isolation/", "isolation")
    assert "Change 1: Applying." in page
    assert "<button" not in page
    assert "Change 1 is not over" in send(nina, "isolation/pair", "isolation", 409, pair="2:4:apart")


def test_without_scripts_a_touch_leads_back_to_its_tab(nina, home, board):
    answer = nina.post(f"{PAGE}isolation/pair", {"pair": "2:3:apart"})
    assert (answer.status_code, answer["Location"]) == (302, f"{PAGE}isolation/")
    answer = nina.post(f"{PAGE}ports/4", USUAL_LINK)
    assert (answer.status_code, answer["Location"]) == (302, f"{PAGE}ports/")


# Reset


def test_the_reset_is_fenced_and_says_what_it_loses(nina, vera, home):
    page = text(vera.get(f"{PAGE}reset/"))
    assert "every link on the board drops for seconds" in page
    assert "needs the role administrator; vera is viewer" in page
    assert "revision 1, the last one that was confirmed, is put back when somebody asks for it" in page
    alice = person("administrator").get(f"{PAGE}reset/").content.decode()
    assert "aria-disabled" not in re.search(r'<button[^>]*id="reset-switch"[^>]*>', alice).group()


def test_a_board_without_a_revision_has_nothing_to_put_back(vera, switch, board: Board):
    assert "Once somebody has confirmed a change, it can be put back" in text(vera.get(f"{PAGE}reset/"))
