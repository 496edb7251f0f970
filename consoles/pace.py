"""When bytes go on at once, and when they may be joined: a small token bucket, with no clock of its own."""

JOIN_SECONDS = 0.004  # 5 ms at most: whoever polls rounds up to the next millisecond
PIECES_PER_SECOND = 400.0
PIECE_BYTES = 16  # what a keystroke's echo is at most; more is output and costs more
SPARE_PIECES = 8.0  # what a quiet line has saved up: 20 ms of silence fill the bucket


class Pace:
    """How one line's bytes are passed on: at once while the line is quiet, joined under load.

    A lone keystroke's echo goes at once, and so does every echo of a ping-pong of keystrokes at 400 a second. Times
    are seconds of any steady clock.
    """

    def __init__(self) -> None:
        self._pieces = SPARE_PIECES
        self._at = 0.0

    def delay(self, now: float) -> float:
        """For how many seconds what is there now should wait for more: 0.0 or `JOIN_SECONDS`."""
        self._pieces = min(SPARE_PIECES, self._pieces + (now - self._at) * PIECES_PER_SECOND)
        self._at = now
        return 0.0 if self._pieces >= 1.0 else JOIN_SECONDS

    def spend(self, size: int) -> None:
        """`size` bytes go on, at the time last asked about. However many: after 3 ms of silence the next go at once."""
        self._pieces = max(0.0, self._pieces - max(1.0, size / PIECE_BYTES))
