"""The UART of a slot: a pseudo-terminal that behaves like a serial line.

What a pseudo-terminal cannot carry lies beside its link at PATH: breaks come through the FIFO PATH.break, a byte each,
and PATH.overruns holds how much input the UART has lost.
"""

import os
import tty
from pathlib import Path


class Uart:
    """A pseudo-terminal behind a symbolic link. Bytes that nobody takes are lost, as on a wire.

    The slave side is kept open: the line outlives whoever talks to it, and raw: what is written is not echoed.
    """

    def __init__(self, link: Path) -> None:
        """Plug the UART in at `link`, replacing a link that a killed simulator left. Raises OSError."""
        self.link = link
        self.sent_bytes = 0
        self.dropped_bytes = 0
        self._master: int | None = None
        self._slave: int | None = None
        self._breaks: int | None = None
        self._fifo = link.with_name(f"{link.name}.break")
        self._counter = link.with_name(f"{link.name}.overruns")
        self.overruns = 0
        self.plug()

    def plug(self) -> int:
        """Make the device appear; return the descriptor to read what others write. Nothing happens if it is there."""
        if self._master is None:
            self._master, self._slave = os.openpty()
            tty.setraw(self._slave)
            os.set_blocking(self._master, False)
            self.link.unlink(missing_ok=True)
            self._fifo.unlink(missing_ok=True)
            os.mkfifo(self._fifo, 0o600)
            # Open for writing, too: a FIFO whose last writer has gone would be readable for ever.
            self._breaks = os.open(self._fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            self.overrun(0)
            self.link.symlink_to(os.ttyname(self._slave))
        return self._master

    def unplug(self) -> None:
        """Make the device vanish: whoever has it open reads EIO or nothing more."""
        if self._master is None or self._slave is None or self._breaks is None:
            return
        for path in (self.link, self._fifo, self._counter):
            path.unlink(missing_ok=True)
        for descriptor in (self._slave, self._master, self._breaks):
            os.close(descriptor)
        self._master = self._slave = self._breaks = None

    @property
    def descriptor(self) -> int | None:
        """The descriptor that becomes readable when somebody writes; None while unplugged."""
        return self._master

    @property
    def break_descriptor(self) -> int | None:
        """The descriptor that becomes readable when somebody sends a break; None while unplugged."""
        return self._breaks

    def overrun(self, count: int) -> None:
        """Let the UART count that it lost input `count` more times. Raises OSError."""
        self.overruns += count
        draft = self._counter.with_suffix(".draft")
        draft.write_text(f"{self.overruns}\n")
        draft.replace(self._counter)

    def receive_breaks(self) -> int:
        """Return how many breaks somebody has sent since the last look."""
        if self._breaks is None:
            return 0
        try:
            return len(os.read(self._breaks, 4096))
        except BlockingIOError:
            return 0

    def send(self, data: bytes) -> None:
        """Put bytes on the line; never blocks. What a full line cannot take is counted and gone."""
        self.drop(len(data) - self.offer(data))

    def offer(self, data: bytes) -> int:
        """Put on the line what it takes at once and return how many bytes that were."""
        if self._master is None:
            return 0
        try:
            taken = os.write(self._master, data)
        except BlockingIOError:
            taken = 0
        self.sent_bytes += taken
        return taken

    def drop(self, count: int) -> None:
        """Count bytes that were to be sent and are gone."""
        self.dropped_bytes += count

    def receive(self) -> bytes:
        """Return what somebody wrote, b"" when there is nothing."""
        if self._master is None:
            return b""
        try:
            return os.read(self._master, 4096)
        except BlockingIOError:
            return b""
