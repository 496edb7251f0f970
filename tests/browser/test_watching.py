"""Pages that follow the board by themselves, several slots at once, and what a viewer sees."""

import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def test_a_viewer_sees_the_change_live_and_may_not_act_and_reads_why(visit, portal):
    vera = visit("/boards/demo/slots/2/", "vera")
    act = vera.get_by_role("button", name="Power on")
    expect(act).to_have_attribute("aria-disabled", "true")
    expect(vera.locator("#why-not")).to_contain_text("needs the role operator; vera is viewer.")
    act.click(force=True)
    vera.locator("#tab-history").focus()
    olga = visit("/boards/demo/slots/2/", "olga")

    olga.get_by_role("button", name="Power on").click()

    expect(vera.locator("#operation")).to_contain_text("Power on slot 2")
    expect(vera.locator("#operation")).to_contain_text("olga")
    expect(vera.locator("#power")).to_have_text("On")
    expect(vera.locator("#tab-history")).to_be_focused()
    vera.goto(f"{portal.url}/boards/demo/slots/2/history/")
    expect(vera.get_by_role("row", name="Power on slot 2")).to_have_count(1)
    vera.goto(f"{portal.url}/")
    expect(vera.locator("#why-not")).to_contain_text("needs the role operator; vera is viewer.")
    expect(vera.get_by_role("checkbox")).to_have_count(0)


def test_what_is_refused_is_said_where_one_clicked_and_stays_until_the_next_act(visit, portal):
    """A page whose buttons are out of date: here somebody switched vera's back on."""
    vera = visit("/boards/demo/slots/5/", "vera")
    vera.evaluate(
        "() => { const act = document.getElementById('act-On'); act.removeAttribute('aria-disabled'); act.click(); }"
    )
    refusal = vera.locator("#refused").get_by_role("alert")
    expect(refusal).to_contain_text("needs the role operator; vera is viewer.")
    expect(refusal).to_contain_text("code not-permitted")
    portal.sign_in("alice").reset(5, "On")
    expect(vera.locator("#power")).to_have_text("On")
    expect(refusal).to_be_visible()


def test_a_som_that_is_put_in_is_recorded_and_powered(visit, portal):
    portal.board.ctl("insert", "7", "LM3H")
    page = visit("/")
    page.locator("#slot-7").get_by_role("link").click()
    page.get_by_role("link", name="Record a SOM").click()
    page.get_by_label("SOM type").select_option("LM3H")
    page.get_by_label("Name", exact=True).fill("finch")
    page.get_by_role("button", name="Record this SOM").click()
    expect(page.get_by_role("heading", name="Slot 7 finch, LM3H")).to_be_visible()
    expect(page.locator("#toasts")).to_contain_text("Slot 7 is recorded as LM3H.")
    expect(page.locator("#not-offered")).to_contain_text("It is not known whether the LM3H is off")

    page.get_by_role("button", name="Press button").click()

    expect(page.locator("#power")).to_have_text("On")
    assert portal.board.power(7) == "On"


def test_a_word_that_a_slot_is_off_makes_power_on_certain(visit, portal):
    page = visit("/boards/demo/slots/6/")
    expect(page.get_by_role("button", name="Power on")).to_have_count(0)
    page.get_by_role("button", name="Mark as off…").click()
    page.get_by_role("button", name="I have seen that it is off").click()
    expect(page.locator("#power")).to_have_text("Off")
    expect(page.locator("#state")).to_contain_text("alice said so")
    expect(page.get_by_role("button", name="Power on")).to_be_enabled()


def test_several_slots_are_acted_on_in_the_order_of_ticking(visit, portal):
    page = visit("/")
    page.get_by_label("Select slot 5, merlin").check()
    page.get_by_label("Select slot 2, heron").check()
    expect(page.locator("[data-picked-count]")).to_have_text("Slot 5, then 2")
    since = len(portal.board.trace())

    page.get_by_role("button", name="Restart…").click()
    question = page.get_by_role("dialog")
    expect(question.get_by_role("listitem")).to_contain_text(["Slot 5 merlin", "Slot 2 heron"])
    expect(question).to_contain_text("may be drawn of 60.0 W")
    question.get_by_role("button", name="Restart 2 slots").click()
    page.mouse.move(0, 0)  # a list is not re-read under the pointer

    expect(page.locator("#running")).to_contain_text("Force restart slot")
    expect(page.locator("#recent").get_by_role("row", name="Force restart slot 5")).to_contain_text("Done")
    expect(page.locator("#recent").get_by_role("row", name="Force restart slot 2")).to_contain_text("Done")
    edges = [(e["line"], e["level"]) for e in portal.board.trace()[since:] if "level" in e]
    assert edges == [(5, 0), (5, 1), (2, 0), (2, 1)]
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(0)


def test_a_bulk_action_that_cannot_be_is_refused_with_the_slot_before_anything_moves(visit, portal):
    page = visit("/")
    page.get_by_label("Select slot 5, merlin").check()
    page.get_by_role("button", name="Shut down…").click()
    question = page.get_by_role("dialog")
    expect(question.get_by_role("alert")).to_contain_text("Slot 5 (M4N) has no graceful way to shut down")
    expect(question.get_by_role("button", name="Shut down 1 slot")).to_have_count(0)
    question.get_by_role("button", name="Leave them alone").click()
    expect(page.get_by_label("Select slot 5, merlin")).to_be_checked()


def test_while_the_portal_is_away_nothing_acts_and_afterwards_the_page_is_as_it_was(visit, portal):
    page = visit("/boards/demo/slots/4/")
    portal.kill("web")
    expect(page.locator("#lost")).to_be_visible()
    expect(page.get_by_role("button", name="Press button")).to_have_attribute("aria-disabled", "true")
    expect(page.locator("#lost")).to_be_hidden()
    expect(page.get_by_role("button", name="Press button")).not_to_have_attribute("aria-disabled", "true")


@pytest.mark.parametrize(
    ("name", "path", "size", "scheme"),
    [
        ("board", "/", "desktop", "light"),
        ("board-dark", "/", "desktop", "dark"),
        ("board-phone", "/", "phone", "light"),
        ("slot", "/boards/demo/slots/2/", "desktop", "light"),
        ("slot-phone-dark", "/boards/demo/slots/2/", "phone", "dark"),
        ("audit", "/audit/", "desktop", "light"),
        ("settings-phone", "/boards/demo/settings/", "phone", "light"),
    ],
)
def test_no_page_scrolls_sideways(visit, picture, name, path, size, scheme):
    page = visit(path, size=size, scheme=scheme)
    wide, seen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert wide <= seen
    picture(page, name)


def test_a_loss_of_the_boards_power_turns_everything_unknown_on_an_open_page(visit, portal, picture):
    page = visit("/")
    expect(page.locator("#slot-2 .badge")).to_have_text("On")

    portal.board.ctl("mains-cycle")

    expect(page.get_by_text("The board lost power.")).to_be_visible()
    for number in range(2, 8):
        expect(page.locator(f"#slot-{number} .badge")).to_have_text("Unknown")
    page.goto(f"{portal.url}/boards/demo/slots/2/")
    expect(page.locator("#power-lost")).to_contain_text("What this SOM did when the power came back is not known")
