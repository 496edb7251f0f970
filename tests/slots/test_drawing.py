"""What a drawing of a board is made of: what wants a person, the supply's bar, the lines under a state."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hardware.budget import power_budget
from operations.models import Operation
from slots.models import Basis, Board, EvidenceKind, Som, SomType
from slots.services import overview
from slots.services.supply import scale_of, segments
from tests.slots.pages import CM4, CM5, EMPTY, LM3H, M4N
from tests.slots.rig import OFF, ON, POWERING_ON, SLUG, UNKNOWN, believe, saw, slot


def view() -> overview.BoardView:
    return overview.board_view(Board.objects.get(slug=SLUG))


def bay(number: int) -> overview.SlotView:
    return view().slots[number - 1]


def headlines() -> list[str]:
    return [item.headline for item in view().attention]


# What wants a person


def test_a_board_on_which_nothing_is_wrong_wants_nobody(rows):
    believe(CM4, ON)
    assert view().attention == []


def test_what_is_gravest_comes_first(rows):
    now = timezone.now()
    believe(CM5, OFF, latched=True, latched_at=now)
    believe(CM4, OFF, contradiction="commanded Off, link still up")
    Operation.objects.create(
        title="Power on slot 5", board=SLUG, resource="demo/slot:5", state="interrupted", created_at=now, actor="olga"
    )
    Board.objects.update(
        problem="The bus failed.", switch_problem="The switch is away.", supply="custom", supply_watts=5, checked_at=now
    )
    assert headlines() == [
        "The bus failed.",
        "Slot 2 contradicts itself.",
        "Power on slot 5 interrupted.",
        "Slot 3 is latched off.",
        "Over the supply's budget.",
        "The switch is away.",
    ]


def test_a_board_that_nobody_reads_any_more_says_so(rows):
    Board.objects.update(checked_at=timezone.now() - timedelta(seconds=29))
    assert headlines() == []
    Board.objects.update(checked_at=timezone.now() - timedelta(seconds=31))
    assert headlines() == ["This board has not been read lately."]


def test_full_load_beyond_what_the_supply_gives_for_good_is_said(rows):
    """Five M4N and a CM4 beside the controller: 56.9 W of 60 at their peak, but 52.2 W of 50 for good."""
    Som.objects.exclude(slot__number=1).update(som_type=SomType.objects.get(name="M4N"))
    assert headlines() == []
    Som.objects.create(slot=slot(EMPTY), som_type=SomType.objects.get(name="CM4"))
    assert headlines() == ["Over what the supply gives for good."]


# The supply's bar


def test_the_bars_parts_follow_one_another_and_sum_up_to_what_is_counted(rows):
    believe(CM4, ON)
    believe(CM5, OFF)
    believe(M4N, POWERING_ON)
    believe(LM3H, UNKNOWN)
    drawn = view()
    assert [(part.label, part.style) for part in drawn.segments] == [
        ("board", "seg-w"),
        ("1", "seg-maybe"),
        ("2", "seg-sure"),
        ("4", "seg-maybe"),
        ("5", "seg-wait"),
        ("6", "seg-maybe"),
    ]
    for part, following in zip(drawn.segments, drawn.segments[1:], strict=False):
        assert following.start_watts == pytest.approx(part.start_watts + part.watts)
    last = drawn.segments[-1]
    assert last.start_watts + last.watts == pytest.approx(drawn.budget.counted_watts)


def test_a_slot_with_an_open_operation_counts_as_on(rows):
    believe(CM4, OFF)
    assert bay(CM4).peak_watts == 0
    now = timezone.now()
    Operation.objects.create(
        title="Power on slot 2",
        board=SLUG,
        resource="demo/slot:2",
        created_at=now,
        expires_at=now + timedelta(minutes=1),
    )
    assert (bay(CM4).peak_watts, bay(CM4).watts_words) == (4.6, "4.6 W in case")
    assert segments([(2, "off", 4.6)])[1].watts == 4.6


@pytest.mark.parametrize(("counted", "whole"), [(10, 65), (80, 81.6)])
def test_the_bar_is_long_enough_for_its_limit_and_for_what_is_counted(counted, whole):
    budget = power_budget(60.0, [], continuous_watts=50.0)
    object.__setattr__(budget, "counted_watts", counted)
    scale = scale_of(budget)
    assert scale.whole_watts == pytest.approx(whole)
    assert scale.ticks == [0, 10, 20, 30, 40], "50 and 60 have marks of their own"


# The lines under a state


def test_a_command_and_a_persons_word_are_told_apart(rows):
    believe(CM4, POWERING_ON, Basis.COMMANDED, by="olga")
    assert "commanded by olga" in [line.text for line in bay(CM4).evidence]
    believe(CM4, OFF, Basis.PERSON, by="olga")
    assert "marked as off by olga" in [line.text for line in bay(CM4).evidence]


def test_of_a_console_the_age_is_that_of_its_last_text_unless_nobody_reads_it(rows):
    now = timezone.now()
    saw(CM4, EvidenceKind.UART, "console is silent", False, life_at=now - timedelta(minutes=4))
    (line,) = [line for line in bay(CM4).evidence if line.kind == "uart"]
    assert (line.text, now - line.at) == ("last console text", timedelta(minutes=4))
    slot(CM4).evidence.update(at=now - timedelta(seconds=31))
    (line,) = [line for line in bay(CM4).evidence if line.kind == "uart"]
    assert (line.text, line.every_seconds) == ("console is silent", 10)


def test_a_bay_has_room_for_three_lines_and_what_disagrees_is_among_them(rows):
    believe(CM4, OFF, Basis.COMMANDED, contradiction="commanded Off, 10.0.0.2:22 answers still", by="olga")
    saw(CM4, EvidenceKind.LINE, "held low", None)
    saw(CM4, EvidenceKind.LINK, "link down", False)
    saw(CM4, EvidenceKind.UART, "console is silent", False)
    saw(CM4, EvidenceKind.PROBE, "10.0.0.2:22 answers", True)
    shown = bay(CM4).in_bay
    assert len(shown) == 3
    assert shown[0].text == "10.0.0.2:22 answers"
    assert "held low" not in [line.text for line in shown]
