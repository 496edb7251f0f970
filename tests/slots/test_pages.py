"""The pages of boards and slots: what they show of a state, whom they let act, and what a refusal looks like there."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from hardware.som import ResetType
from operations import lifecycle
from operations.models import AuditEntry, Operation, OperationState
from slots.models import Basis, Board, EvidenceKind, Som, SomType
from slots.services import catalogue, overview, power
from tests.slots.pages import BOARD, CM4, CM5, EMPTY, M4N, PANEL, button, htmx, page, slot_text, text_of
from tests.slots.rig import OFF, ON, POWERING_OFF, UNKNOWN, ask, believe, saw, slot

PAGES = ["/", "/boards/", BOARD, *(f"{BOARD}slots/{n}/" for n in (1, CM4, EMPTY)), f"{BOARD}slots/3/history/"]
PAGES += [f"{BOARD}slots/3/som/", f"{BOARD}settings/", "/som-types/CM5/", "/som-types/new/"]


# Who sees what


@pytest.mark.parametrize("path", PAGES)
def test_a_viewer_sees_every_page_and_nobody_else_does(viewer_client, path):
    assert "<h1>" in page(viewer_client, path)
    assert Client().get(path).headers["Location"].startswith("/login/?next=")


@pytest.mark.parametrize(
    "path", ["/boards/atlantis/", "/boards/demo/slots/8/", "/boards/demo/slots/0/", "/som-types/Z/"]
)
def test_what_is_not_there_is_not_found(viewer_client, path):
    assert viewer_client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("path", "panel"), [(BOARD, "board"), (BOARD, "running"), (BOARD, "recent"), (f"{BOARD}slots/2/", "slot")]
)
def test_a_panel_is_drawn_alone_for_the_place_it_goes_into(viewer_client, path, panel):
    answer = viewer_client.get(path, headers={**PANEL, "HX-Target": panel})
    html = answer.content.decode()
    assert re.match(rf'\s*(\{{#.*#\}})?<\w+ [^>]*id="{panel}"', html)
    assert "<html" not in html
    assert "HX-Target" in answer.headers["Vary"], "the browser's back button must not show a panel for a page"
    assert f'id="{panel}"' in page(viewer_client, path), "the first load has the same element"


def queries(client: Client, path: str) -> int:
    page(client, path)  # the first visit also notes the board in the session
    with CaptureQueriesContext(connection) as captured:
        page(client, path)
    return len(captured)


@pytest.mark.parametrize("path", [BOARD, "/boards/", f"{BOARD}slots/3/"])
def test_the_number_of_queries_does_not_grow_with_boards(operator_client, rows, path):
    Board.objects.create(slug="b1", name="b1")
    before = queries(operator_client, path)
    cm5 = SomType.objects.get(name="CM5")
    for number in range(2, 24):
        more = Board.objects.create(slug=f"b{number}", name=f"b{number}")
        for position in range(1, 8):
            Som.objects.create(slot=more.slots.create(number=position), som_type=cm5)
    assert queries(operator_client, path) == before <= 20


def test_many_boards_come_in_pages_and_the_start_lists_them(viewer_client, rows):
    for number in range(30):
        Board.objects.create(slug=f"lab-{number:02}", name=f"lab-{number:02}")
    first, second = page(viewer_client, "/"), page(viewer_client, "/boards/?page=2")
    assert "lab-00" in first
    assert "lab-29" not in first
    assert "1 to 25 of 31 boards" in first
    assert "lab-29" in second


# What is shown of a state


def test_an_observed_state_shows_its_evidence_and_age(viewer_client):
    believe(CM4, ON)
    saw(CM4, EvidenceKind.LINK, "link up, 1 Gb/s", True)
    shown = slot_text(viewer_client, CM4)
    assert "On Observed since" in shown
    assert "Switch port : link up, 1 Gb/s 0 s" in shown
    assert "link 1 Gb/s" in text_of(page(viewer_client, BOARD))


def test_a_contradiction_is_shown_beside_the_state_and_first_on_the_board(viewer_client):
    believe(CM4, OFF, Basis.COMMANDED, contradiction="commanded Off, link still up", by="olga")
    saw(CM4, EvidenceKind.LINK, "link up, 1 Gb/s", True)
    shown, board = slot_text(viewer_client, CM4), text_of(page(viewer_client, BOARD))
    assert "The evidence disagrees with the command. Commanded Off, link still up." in shown
    assert "link up, 1 Gb/s, contradicts Off" in shown
    assert "Slot 2 contradicts itself. Commanded Off, link still up." in board
    assert "4.6 W assumed" in board, "a contradicted Off counts as on"


def test_a_latched_slot_says_what_to_do(operator_client):
    believe(CM5, OFF, latched=True, latched_note="held 8.0 s by olga")
    shown = slot_text(operator_client, CM5)
    assert "Latched off, held 8.0 s by olga. This CM5 ignores its button until the whole board loses power." in shown
    assert "Slot 3 is latched off." in text_of(page(operator_client, BOARD))


def test_a_board_that_lost_power_says_so_until_something_is_known(viewer_client, rows):
    lost = timezone.now()
    Board.objects.update(power_lost_at=lost)
    believe(CM4, UNKNOWN, since=lost)
    assert "The board lost power" in slot_text(viewer_client, CM4)
    assert "The board lost power." in text_of(page(viewer_client, BOARD))
    believe(CM4, ON)
    assert "The board lost power" not in text_of(page(viewer_client, BOARD))


def test_a_board_that_does_not_answer_says_it_on_every_page_of_it(viewer_client, rows):
    Board.objects.update(problem="The I2C bus failed at address 0x18: the device did not answer (NACK).")
    assert "did not answer (NACK). Reset lines are not read until it answers" in text_of(page(viewer_client, BOARD))
    assert "The board does not answer." in slot_text(viewer_client, CM4)
    assert "Unreachable" in text_of(page(viewer_client, "/boards/"))


def test_an_empty_slot_invites_to_record_a_som_also_when_its_port_has_a_link(operator_client):
    assert "No SOM is recorded here" in slot_text(operator_client, EMPTY)
    saw(EMPTY, EvidenceKind.LINK, "link up, 100 Mb/s", True)
    assert "Its switch port has a link (link up, 100 Mb/s" in slot_text(operator_client, EMPTY)


# What is offered


def test_from_unknown_a_button_som_offers_a_press_and_the_word_of_a_person_but_not_power_on(operator_client):
    believe(CM5, UNKNOWN)
    html = page(operator_client, f"{BOARD}slots/{CM5}/")
    assert 'id="act-On"' not in html
    assert html.index('id="act-PushPowerButton"') < html.index('id="act-mark-off"') < html.index('id="act-ForceOff"')
    left_out = text_of(html[html.index('id="not-offered"') :])
    assert "Power on It is not known whether the CM5 is off" in left_out
    assert "or Press button, which does the one or the other" in left_out, "the page's words, not Redfish's"


def test_what_a_state_rules_out_is_listed_with_the_reason(operator_client):
    believe(M4N, ON)
    html = page(operator_client, f"{BOARD}slots/{M4N}/")
    left_out = text_of(html[html.index('id="not-offered"') :])
    assert "Power on The M4N is on already." in left_out
    assert "Shut down The M4N's reset line cannot ask its operating system for anything" in left_out
    assert "aria-disabled" not in button(html, "act-ForceRestart")


def test_only_what_could_end_what_runs_asks_first(operator_client):
    believe(CM5, OFF)
    html = page(operator_client, f"{BOARD}slots/{CM5}/")
    assert 'type="submit"' in button(html, "act-On")
    believe(CM5, ON)
    html = page(operator_client, f"{BOARD}slots/{CM5}/")
    for name in ("GracefulShutdown", "GracefulRestart", "PushPowerButton", "ForceOff"):
        assert "hx-get" in button(html, f"act-{name}")


def test_while_busy_the_same_buttons_stay_greyed_with_the_holder_named(operator_client, operator):
    believe(CM5, ON)
    ask(CM5, ResetType.GRACEFUL_SHUTDOWN, operator)
    believe(CM5, POWERING_OFF, Basis.COMMANDED)
    html = page(operator_client, f"{BOARD}slots/{CM5}/")
    for name in ("act-GracefulShutdown", "act-GracefulRestart", "act-ForceOff", "act-mark-off"):
        assert 'aria-disabled="true"' in button(html, name)
        assert "why-not" in button(html, name)
    assert "Busy: Shut down slot 3, asked for by olga at" in text_of(html)
    assert "Waits for a worker." in text_of(html)


def test_slot_1_offers_no_reset_and_says_why(administrator_client):
    html = page(administrator_client, f"{BOARD}slots/1/")
    assert 'id="act-' not in html
    assert "The reset line of slot 1 is never driven." in text_of(html)
    answer = htmx(administrator_client, f"{BOARD}slots/1/reset", "slot", reset_type="ForceOff")
    assert (answer.status_code, 'data-code="controller-slot-protected"' in answer.content.decode()) == (422, True)


# Acting


def test_a_click_is_queued_at_once_and_once_per_key(operator_client):
    believe(CM4, UNKNOWN)
    path = f"{BOARD}slots/{CM4}/reset"
    shown = htmx(operator_client, path, "slot", reset_type="On", key="k1").content.decode()
    assert 'data-outcome="queued"' in shown
    assert re.search(r'<progress[^>]*value="0"', shown)
    assert htmx(operator_client, path, "slot", reset_type="On", key="k1").status_code == 200
    assert Operation.objects.count() == 1


def test_a_click_on_the_board_answers_with_the_board(operator_client):
    believe(CM4, UNKNOWN)
    shown = htmx(operator_client, f"{BOARD}slots/{CM4}/reset", "board", reset_type="On").content.decode()
    assert 'id="board"' in shown
    assert "queued, olga" in text_of(shown)


def test_without_scripts_a_click_leads_to_the_slot(operator_client):
    believe(CM4, UNKNOWN)
    answer = operator_client.post(f"{BOARD}slots/{CM4}/reset", {"reset_type": "On"})
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{BOARD}slots/{CM4}/")


def test_a_viewer_finds_every_button_off_with_the_reason_and_is_refused_on_record(viewer_client):
    believe(CM4, UNKNOWN)
    html = page(viewer_client, f"{BOARD}slots/{CM4}/")
    assert 'aria-disabled="true"' in button(html, "act-On")
    assert "needs the role operator; vera is viewer." in text_of(html)
    answer = htmx(viewer_client, f"{BOARD}slots/{CM4}/reset", "slot", reset_type="On")
    assert answer.status_code == 403
    assert "needs the role operator; vera is viewer." in text_of(answer.content.decode())
    entry = AuditEntry.objects.get(action="power.reset")
    assert (entry.actor, entry.outcome, entry.target) == ("vera", "refused", "demo/slot:2")


def test_forcing_a_cm5_off_asks_for_its_name_and_a_reason_and_says_the_consequence(operator_client):
    believe(CM5, ON)
    asked = text_of(page(operator_client, f"{BOARD}slots/{CM5}/reset/confirm?reset_type=ForceOff"))
    assert "This strands the CM5: it does not start again until the whole board loses power" in asked
    assert "Type the slot’s name, kestrel , to go on" in asked
    path = f"{BOARD}slots/{CM5}/reset"
    for typed in ({}, {"typed": "kestrel"}, {"accept_stranding": "on"}, {"accept_stranding": "on", "typed": "osprey"}):
        assert htmx(operator_client, path, "slot", reset_type="ForceOff", **typed).status_code == 422
    fields = {"reset_type": "ForceOff", "accept_stranding": "on", "typed": "kestrel", "reason": "hangs"}
    assert htmx(operator_client, path, "slot", **fields).status_code == 200
    assert Operation.objects.get().reason == "hangs"


def test_a_cm5_that_its_owner_cured_is_forced_off_without_that(operator_client):
    believe(CM5, ON)
    Som.objects.filter(slot=slot(CM5)).update(latch_cured=True)
    asked = text_of(page(operator_client, f"{BOARD}slots/{CM5}/reset/confirm?reset_type=ForceOff"))
    assert "strands" not in asked
    assert "Type the slot" not in asked


def test_the_question_names_what_else_goes_on_there(operator_client, administrator):
    believe(CM5, ON)
    ask(CM5, ResetType.GRACEFUL_SHUTDOWN, administrator)
    asked = text_of(page(operator_client, f"{BOARD}slots/{CM5}/reset/confirm?reset_type=GracefulRestart"))
    assert "Shut down slot 3, asked for by alice at" in asked
    answer = htmx(operator_client, f"{BOARD}slots/{CM5}/reset", "slot", reset_type="GracefulRestart")
    assert answer.status_code == 409
    assert "is busy: Shut down slot 3, asked for by alice at" in text_of(answer.content.decode())


@pytest.mark.parametrize("path", ["reset/confirm?reset_type=Sideways", "reset/confirm"])
def test_an_unknown_reset_type_is_one_sentence(operator_client, path):
    answer = operator_client.get(f"{BOARD}slots/{CM4}/{path}", headers=PANEL)
    assert answer.status_code == 400
    assert "is not a reset type; there are On, ForceOff," in text_of(answer.content.decode())


def test_a_word_that_it_is_off_is_asked_for_and_taken(operator_client):
    believe(CM5, UNKNOWN)
    path = f"{BOARD}slots/{CM5}/mark-off"
    assert "Is slot 3 off?" in text_of(page(operator_client, path, **PANEL))
    shown = text_of(htmx(operator_client, path, "slot", reason="looked").content.decode())
    assert "Off olga said so at" in shown
    believe(CM5, OFF, latched=True)
    path = f"{BOARD}slots/{CM5}/clear-latch"
    assert "Was the board without power" in text_of(page(operator_client, path, **PANEL))
    htmx(operator_client, path, "slot")
    assert not slot(CM5).latched


def test_cancelling_from_a_page_ends_what_waits(operator_client, operator):
    believe(CM4, UNKNOWN)
    operation = ask(CM4, ResetType.ON, operator)
    path = f"/operations/{operation.pk}/"
    shown = text_of(page(operator_client, path))
    assert "Cancel Nothing has been switched yet, and nothing will be." in shown
    assert operator_client.post(f"{path}cancel", headers=PANEL).status_code == 204
    assert Operation.objects.get().state == OperationState.CANCELLED
    again = operator_client.post(f"{path}cancel", headers=PANEL)
    assert (again.status_code, "has ended already" in again.content.decode()) == (409, True)


def test_a_failed_operation_is_shown_until_the_next_one(operator_client, operator):
    believe(CM4, UNKNOWN)
    operation = ask(CM4, ResetType.ON, operator)
    lifecycle.fail_before_start(operation, "broker-unavailable", "The broker did not answer. Nothing was switched.")
    shown = text_of(page(operator_client, BOARD))
    assert "Power on slot 2 failed. The broker did not answer. Nothing was switched." in shown
    ask(CM4, ResetType.ON, operator)
    assert "Power on slot 2 failed." not in text_of(page(operator_client, BOARD))


def test_the_pages_words_for_reset_types_are_those_of_the_buttons(rows):
    for number in range(2, 7):
        for power_state in (ON, OFF, UNKNOWN):
            for action in overview.actions(believe(number, power_state)):
                assert not re.search(r"ForceOff|ForceRestart|Graceful\w+|PushPowerButton|PowerCycle", action.sentence)
    assert power.traits_of(slot(CM5)).latches_after_hold
    assert catalogue.DEMO_SOMS[CM5][0] == "CM5"
