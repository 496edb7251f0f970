"""When a slot is free, and when a queue can expect its turns."""

from datetime import UTC, datetime, timedelta

from reservations.periods import Period, first_free, turns

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def at(hours: float) -> datetime:
    return NOON + timedelta(hours=hours)


def has(begin: float, end: float) -> Period:
    return Period(at(begin), at(end))


def hours(count: float) -> timedelta:
    return timedelta(hours=count)


def test_a_free_slot_is_free_now_and_for_as_long_as_wanted():
    assert first_free([], NOON, hours(4)) == has(0, 4)


def test_a_turn_comes_when_whoever_holds_the_slot_is_over():
    assert first_free([has(-1, 2)], NOON, hours(4)) == has(2, 6)


def test_a_turn_is_cut_short_where_somebody_has_planned_to_have_the_slot():
    assert first_free([has(-1, 2), has(3, 5)], NOON, hours(4)) == has(2, 3)


def test_a_gap_of_a_few_minutes_is_nobodys_turn():
    assert first_free([has(-1, 2), has(2 + 4 / 60, 5)], NOON, hours(4)) == has(5, 9)


def test_a_gap_is_long_enough_for_who_wants_no_more():
    assert first_free([has(1, 5)], at(1 - 5 / 60), timedelta(minutes=5)).starts_at == at(1 - 5 / 60)


def test_what_is_over_is_in_nobodys_way():
    assert first_free([has(-3, -1), has(-1, 0)], NOON, hours(1)) == has(0, 1)


def test_those_who_wait_come_one_after_the_other():
    assert turns([has(-1, 2)], [hours(1), hours(3), hours(2)], NOON) == [has(2, 3), has(3, 6), has(6, 8)]


def test_nobody_comes_before_who_waited_longer_even_if_their_wish_would_fit():
    assert turns([has(0.05, 2)], [hours(4), timedelta(minutes=5)], NOON)[1].starts_at >= at(6)


def test_periods_that_touch_do_not_overlap():
    assert not has(0, 1).overlaps(has(1, 2))
    assert has(0, 1.1).overlaps(has(1, 2))
    assert has(0, 3).overlaps(has(1, 2))
