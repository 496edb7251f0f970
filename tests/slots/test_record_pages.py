"""The pages on which things are recorded, several slots are acted on, and the fenced acts are asked for."""

import re

import pytest

from operations.models import Operation
from slots.models import Board, Som, SomType
from slots.services import parts
from tests.slots.pages import BOARD, CM4, EMPTY, M4N, PANEL, htmx, page, slot_text, text_of
from tests.slots.rig import OFF, ON, SLUG, believe, slot

# Several at once


def test_the_question_before_several_lists_them_in_order_with_the_sum(operator_client):
    for number in (CM4, M4N):
        believe(number, OFF)
    asked = text_of(page(operator_client, f"{BOARD}several/confirm?verb=start&slots=5+2", **PANEL))
    assert asked.index("Slot 5 merlin") < asked.index("Slot 2 heron")
    assert "may be drawn of 60.0 W" in asked
    htmx(operator_client, f"{BOARD}several", "board", verb="start", slots="5 2", reason="morning")
    made = Operation.objects.order_by("position").values_list("resource", "state", "reason")
    assert list(made) == [("demo/slot:5", "queued", "morning"), ("demo/slot:2", "waiting", "morning")]


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("verb=stop&slots=5", "Slot 5 (M4N) has no graceful way to shut down"),
        ("verb=start&slots=1", "Slot 1 runs this portal and is never part of a bulk action."),
        ("verb=start&slots=2+2", "A slot is named twice."),
    ],
)
def test_several_that_cannot_be_are_refused_in_the_question_already(operator_client, query, sentence):
    believe(M4N, ON)
    html = page(operator_client, f"{BOARD}several/confirm?{query}", **PANEL)
    assert sentence in text_of(html)
    assert 'type="submit"' not in html


def test_what_exceeds_the_supply_is_refused_with_the_sum(operator_client, rows):
    Board.objects.update(supply="custom", supply_watts=12)
    for number in range(2, 7):
        believe(number, OFF)
    asked = text_of(page(operator_client, f"{BOARD}several/confirm?verb=start&slots=5", **PANEL))
    assert "and the supply gives 12 W" in asked


# Records and the fenced acts


def test_a_som_is_recorded_changed_and_removed(operator_client):
    path = f"{BOARD}slots/{EMPTY}/som/"
    lm3h = SomType.objects.get(name="LM3H").pk
    answer = operator_client.post(path, {"som_type": lm3h, "name": "finch", "emmc_gb": "32"})
    assert answer.headers["Location"] == f"{BOARD}slots/{EMPTY}/"
    assert "Slot 7 finch, LM3H" in slot_text(operator_client, EMPTY)
    bad = operator_client.post(path, {"som_type": "", "name": "finch"})
    assert (bad.status_code, "This field is required." in bad.content.decode()) == (400, True)
    path = f"{BOARD}slots/{EMPTY}/som/remove"
    assert "Record slot 7 as empty?" in text_of(page(operator_client, path, **PANEL))
    gone = htmx(operator_client, path, "slot-som")
    assert gone.headers["HX-Redirect"] == f"{BOARD}slots/{EMPTY}/"
    assert not Som.objects.filter(slot=slot(EMPTY)).exists()


def test_a_viewer_may_read_what_is_recorded_but_not_change_it(viewer_client):
    html = page(viewer_client, f"{BOARD}slots/{CM4}/som/")
    assert "disabled" in re.search(r'<input[^>]*name="name"[^>]*>', html).group()
    assert viewer_client.post(f"{BOARD}slots/{CM4}/som/", {"name": "mine"}).status_code == 403
    assert Som.objects.get(slot=slot(CM4)).name == "heron"


def test_the_board_page_shows_what_its_connectors_and_leds_belong_to(viewer_client):
    shown = text_of(page(viewer_client, BOARD))
    for fact in ("HDMI slot 1", "USB-A, top slot 1, host", "USB-A, bottom slot 1, OTG", "driven from slot 1"):
        assert fact in shown
    assert "blue power LED and SYS LED" in shown


def test_the_settings_show_what_the_board_is_wired_to(viewer_client):
    shown = text_of(page(viewer_client, f"{BOARD}settings/"))
    assert "Slot 3 IO3 5 none" in shown, "line and switch port"
    assert "Not verified" in shown


def test_only_an_administrator_changes_a_boards_settings(operator_client, administrator_client):
    fields = {"name": "bench", "supply": "poe", "notes": ""}
    assert operator_client.post(f"{BOARD}settings/", fields).status_code == 403
    assert administrator_client.post(f"{BOARD}settings/", fields).status_code == 302
    assert Board.objects.get().name == "bench"


def test_a_reset_of_the_switch_chip_needs_the_administrator_the_boards_name_and_a_reason(
    operator_client, administrator_client
):
    path = f"{BOARD}switch/reset"
    assert "every link on the board drops for seconds" in text_of(page(administrator_client, path, **PANEL))
    fields = {"typed": SLUG, "reason": "no links"}
    assert htmx(operator_client, path, "switch-reset", **fields).status_code == 403
    assert htmx(administrator_client, path, "switch-reset", typed="other", reason="no links").status_code == 400
    assert htmx(administrator_client, path, "switch-reset", typed=SLUG).status_code == 400
    answer = htmx(administrator_client, path, "switch-reset", **fields)
    assert answer.headers["HX-Redirect"] == f"/operations/{Operation.objects.get().pk}/"
    assert "Busy: Reset the switch chip" in text_of(page(administrator_client, f"{BOARD}settings/"))


@pytest.mark.parametrize(("path", "into"), [("switch/reset", "switch-reset"), ("controller/restart", "slot")])
def test_an_administrator_who_signed_in_long_ago_confirms_before_what_is_grave(administrator_client, path, into):
    session = administrator_client.session
    session["confirmed_at"] -= 601
    session.save()
    confirmation = "/account/confirm/?next=%2Fboards%2Fdemo%2Fsettings%2F"
    here = {"HX-Current-URL": f"http://testserver{BOARD}settings/"}
    asked = administrator_client.get(f"{BOARD}{path}", headers={"HX-Request": "true", **here})
    assert (asked.status_code, asked.headers["HX-Redirect"]) == (204, confirmation.replace("demo", SLUG))
    sent = htmx(administrator_client, f"{BOARD}{path}", into, typed=SLUG, reason="no links")
    assert sent.headers["HX-Redirect"].startswith("/account/confirm/")
    assert not Operation.objects.exists()


def test_the_controller_is_restarted_only_by_the_command_that_the_board_file_names(administrator_client, data_dir):
    path, fields = f"{BOARD}controller/restart", {"typed": SLUG, "reason": "update"}
    refused = htmx(administrator_client, path, "slot", **fields)
    assert (refused.status_code, "names no command for it" in text_of(refused.content.decode())) == (422, True)
    done = data_dir / "restarted"
    with open(data_dir / "boards" / f"{SLUG}.toml", "a") as file:
        file.write(f'\n[controller]\nrestart = ["touch", "{done}"]\n')
    parts.forget()
    assert "Runs touch" in slot_text(administrator_client, 1)
    assert "Restart the controller, slot 1?" in text_of(page(administrator_client, path, **PANEL))
    assert htmx(administrator_client, path, "slot", reason="update").status_code == 400
    assert not done.exists()
    assert htmx(administrator_client, path, "slot", **fields).headers["HX-Redirect"] == f"{BOARD}slots/1/"
    assert done.exists()


def test_figures_of_a_third_partys_som_are_added_checked_and_shipped_ones_kept(administrator_client):
    fields = {
        **dict.fromkeys(("press_seconds", "idle_watts", "boot_seconds", "shutdown_seconds", "link_mbps"), "1"),
        **{"name": "X1", "line_kind": "button", "pulse_seconds": "0", "full_watts": "5", "peak_watts": "4"},
        **{"baud": "115200", "flash_path": "network", "source": "its data sheet"},
    }
    bad = administrator_client.post("/som-types/new/", fields)
    assert (bad.status_code, "must not fall in that order" in bad.content.decode()) == (400, True)
    good = {**fields, "peak_watts": "6", "boot_rom": "1234:5678"}
    wrong = administrator_client.post("/som-types/new/", {**good, "boot_rom": "1234"})
    assert (wrong.status_code, "must be USB ids such as" in wrong.content.decode()) == (400, True)
    for name in ("RK3588/8 GB", "new", "..", ""):  # it stands in an address
        assert administrator_client.post("/som-types/new/", {**good, "name": name}).status_code == 400, name
    assert administrator_client.post("/som-types/new/", good).status_code == 302
    assert SomType.objects.get(name="X1").traits().boot_rom == "1234:5678"
    assert "its data sheet" in page(administrator_client, f"{BOARD}settings/")
    kept = administrator_client.post("/som-types/CM5/", {**fields, "peak_watts": "6"})
    assert kept.status_code == 409
    assert SomType.objects.get(name="CM5").peak_watts == 8.0
