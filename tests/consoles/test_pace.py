"""What goes at once and what is joined."""

from consoles.pace import JOIN_SECONDS, Pace


def joined(pace: Pace, times: list[float], size: int) -> int:
    count = 0
    for now in times:
        count += pace.delay(now) > 0
        pace.spend(size)
    return count


def test_a_lone_keystroke_is_never_held_back() -> None:
    assert joined(Pace(), [1.0 + 0.1 * n for n in range(50)], 3) == 0


def test_a_ping_pong_of_keystrokes_at_four_hundred_a_second_is_never_held_back() -> None:
    assert joined(Pace(), [1.0 + n / 399 for n in range(2000)], 8) == 0


def test_a_flood_is_joined_from_its_second_piece_on() -> None:
    assert joined(Pace(), [1.0 + n * 0.001 for n in range(100)], 512) == 99
    assert Pace().delay(0.0) == 0.0
    assert JOIN_SECONDS < 0.005


def test_after_a_flood_three_milliseconds_of_silence_do() -> None:
    pace = Pace()
    joined(pace, [1.0 + n * 0.001 for n in range(1000)], 4096)
    assert pace.delay(2.0 - 0.001 + 0.003) == 0.0
