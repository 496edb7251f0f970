"""When output goes on at once and when it is put together."""

from consoles.flow import JOIN_SECONDS, Flow


def passed(pieces: int, size: int, every_seconds: float) -> int:
    flow = Flow()
    return sum(flow.passes(size, 100 + number * every_seconds) for number in range(pieces))


def test_keystrokes_never_wait():
    assert passed(1000, 1, 0.03) == 1000
    assert passed(1000, 3, 0.002) == 1000


def test_a_screenful_after_quiet_goes_at_once():
    flow = Flow()
    for moment in (10.0, 11.0, 12.0):
        assert flow.passes(4096, moment)


def test_a_flood_is_put_together():
    seconds, line_rate = 10, 92_160
    pieces = int(seconds / 0.005)
    assert passed(pieces, int(line_rate * 0.005), 0.005) < seconds / JOIN_SECONDS


def test_after_a_flood_a_keystroke_goes_at_once_again():
    flow = Flow()
    for number in range(100):
        flow.passes(4096, 10 + number / 1000)
    assert not flow.passes(1, 10.1)
    assert flow.passes(1, 10.2)
