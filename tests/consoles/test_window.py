"""The bound on what is on its way to one viewer."""

import random

from consoles.window import SendWindow


def test_a_viewer_who_acknowledges_nothing_gets_no_more_than_the_limit():
    window = SendWindow(100)
    sent = 0
    while window.admits(16, now=0.0):
        window.sent(sent, 16)
        sent += 16
    assert sent == 96 == window.unacknowledged_bytes
    assert window.blocked


def test_what_is_acknowledged_makes_room():
    window = SendWindow(100)
    window.sent(0, 100)
    window.acknowledge(40, now=0.0)
    assert window.unacknowledged_bytes == 60
    assert window.admits(40, now=0.0)
    assert not window.admits(41, now=0.0)


def test_a_gap_is_not_data_on_its_way():
    window = SendWindow(100)
    window.sent(0, 50)
    window.sent(1_000_000, 50)
    assert window.unacknowledged_bytes == 100
    window.acknowledge(500_000, now=0.0)
    assert window.unacknowledged_bytes == 50
    window.acknowledge(1_000_050, now=0.0)
    assert window.unacknowledged_bytes == 0


def test_an_acknowledgement_of_more_than_was_sent_opens_nothing_in_advance():
    window = SendWindow(100)
    window.sent(0, 60)
    window.acknowledge(10**12, now=0.0)
    assert window.unacknowledged_bytes == 0
    window.sent(60, 100)
    assert not window.admits(1, now=0.0)


def test_an_old_acknowledgement_takes_nothing_back():
    window = SendWindow(100)
    window.sent(0, 60)
    window.acknowledge(50, now=0.0)
    window.acknowledge(10, now=0.0)
    assert window.unacknowledged_bytes == 10


def test_stalled_is_who_has_something_waiting_and_acknowledges_nothing():
    window = SendWindow(100)
    window.sent(0, 100)
    assert window.stalled_seconds(now=50.0) == 0.0  # nothing waits: nobody is late
    assert not window.admits(1, now=50.0)
    assert window.stalled_seconds(now=80.0) == 30.0
    assert not window.admits(1, now=90.0)
    assert window.stalled_seconds(now=95.0) == 45.0


def test_whoever_makes_slow_progress_is_not_stalled():
    window = SendWindow(100)
    window.sent(0, 100)
    for second in range(1, 50):
        assert not window.admits(100, now=float(second))
        window.acknowledge(second, now=float(second))
    assert window.stalled_seconds(now=50.0) == 1.0


def test_a_count_that_starts_again_lower_does_not_stay_blocked_by_the_one_before():
    window = SendWindow(100)
    window.sent(5000, 100)
    window.sent(0, 10)
    window.acknowledge(10, now=0.0)
    assert window.unacknowledged_bytes == 0


def test_its_own_memory_stays_small_whatever_the_pieces():
    window, offset, chance = SendWindow(1000), 0, random.Random(3)
    for _ in range(20_000):
        size = chance.randrange(1, 9)
        if not window.admits(size, now=0.0):
            window.acknowledge(offset - chance.randrange(500), now=0.0)
        window.sent(offset, size)
        offset += size
        assert len(window._stretches) <= 2
    window.acknowledge(offset, now=0.0)
    assert window.unacknowledged_bytes == 0
