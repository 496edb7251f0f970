"""What a console shows of a boot or its end is evidence and history of the slot, and a panic is seen at once."""

from datetime import timedelta

from django.utils import timezone

from slots.models import Evidence, Slot, StateChange
from slots.services import inventory, overview, records
from slots.services.grounds import grounds_of
from tests.slots.rig import OFF, ON, believe, saw, slot

CM5 = 3
LOGIN = "login prompt seen; boot took 23 s"
PANIC = "panic: Kernel panic - not syncing: VFS: Unable to mount root fs"


def reach(stage: str, words: str, seconds_ago: float = 0) -> None:
    inventory.record_stage(slot(CM5), stage, words, timezone.now() - timedelta(seconds=seconds_ago))


def system() -> Evidence:
    return Evidence.objects.get(slot=slot(CM5), kind="stage")


def headlines(board) -> list[str]:
    return [item.headline for item in overview.board_view(board).attention]


def test_the_last_stage_is_the_evidence_and_every_stage_a_line_of_history(rows):
    reach("kernel", "kernel started", 20)
    reach("login", LOGIN, 2)
    assert (system().value, system().life, system().life_at) == (LOGIN, None, None)
    told = StateChange.objects.filter(slot=slot(CM5)).order_by("at")
    assert [(change.words, change.tone) for change in told] == [
        ("Kernel started", "info"),
        ("Login prompt seen; boot took 23 s", "good"),
    ]
    assert timezone.now() - told[1].at >= timedelta(seconds=2), "the moment when it was seen, not written"


def test_the_page_shows_it_with_its_age_until_the_line_is_moved_again(rows, viewer_client):
    believe(CM5, ON)
    reach("login", LOGIN, 2)
    page = viewer_client.get(f"/boards/{rows.slug}/slots/{CM5}/").content.decode()
    assert f"<b>System</b>: {LOGIN}" in page
    Slot.objects.filter(number=CM5).update(commanded_at=timezone.now())
    assert "stage" not in [line.kind for line in grounds_of(slot(CM5))]


def test_a_panic_stands_first_on_the_board_until_it_boots_or_somebody_acts(rows):
    believe(CM5, ON)
    Slot.objects.filter(number=CM5).update(commanded_at=None)
    reach("panic", PANIC)
    assert headlines(rows) == ["Slot 3 panicked."]
    assert [line.stands_out for line in grounds_of(slot(CM5)) if line.kind == "stage"] == [True]
    assert StateChange.objects.filter(slot=slot(CM5), words__startswith="Panic").get().tone == "bad"
    assert [row.attention[0].short for row in overview.fleet([rows])] == ["Slot 3 panicked"]

    reach("kernel", "kernel started")
    assert headlines(rows) == []
    reach("panic", PANIC)
    Slot.objects.filter(number=CM5).update(commanded_at=timezone.now())
    assert headlines(rows) == []
    reach("panic", PANIC)
    believe(CM5, OFF)
    assert headlines(rows) == []


def test_a_halt_leaves_no_sign_of_life(rows):
    saw(CM5, "uart", "console prints", True)
    assert inventory.fresh_life(slot(CM5)) == "console prints"
    reach("halt", "halted: reboot: Power down")
    assert inventory.fresh_life(slot(CM5)) == ""


def test_another_som_has_no_panic_of_the_one_before(rows, operator):
    reach("panic", PANIC)
    som = slot(CM5).som
    som.som_type = slot(2).som.som_type
    records.save_som(slot(CM5), som, operator)
    assert slot(CM5).panicked_at is None
    assert not Evidence.objects.filter(slot=slot(CM5), kind="stage").exists()


def test_a_som_that_boots_in_a_loop_leaves_room_in_the_history(rows):
    inventory.note(slot(CM5), ON, "observed", "Observed On", "good")
    for number in range(100):
        reach("kernel", f"kernel started {number}")
    told = [change.words for change in StateChange.objects.filter(slot=slot(CM5))]
    assert len(told) == inventory.LINES_AN_HOUR
    assert "Observed On" in told
    assert system().value == "kernel started 99"
