"""Whether a console trickles or floods, as those who watch it are concerned. Pure."""

JOIN_SECONDS = 0.03  # a flood is passed on this often: nobody sees more than 30 pictures a second
TRICKLE_BYTES_PER_SECOND = 8192.0
SPARE_BYTES = 4096.0  # a screenful after a moment of quiet
DEBT_BYTES = 512.0  # a twentieth of a second after a flood, it is quiet again
ECHO_BYTES = 16  # a keystroke's echo, and what any piece costs at least


class Flow:
    """Pieces of a quiet console go on at once; of a flood they are put together for `JOIN_SECONDS`.

    A lone keystroke's echo never waits, nor do those of somebody who types 500 keys a second. Times are seconds of any
    steady clock.
    """

    def __init__(self) -> None:
        self._spare = SPARE_BYTES
        self._at = 0.0

    def passes(self, size_bytes: int, now: float) -> bool:
        """Whether a piece of that size goes on at once."""
        self._spare = min(SPARE_BYTES, self._spare + (now - self._at) * TRICKLE_BYTES_PER_SECOND)
        self._at = now
        passes = self._spare >= ECHO_BYTES
        self._spare = max(-DEBT_BYTES, self._spare - max(size_bytes, ECHO_BYTES))
        return passes
