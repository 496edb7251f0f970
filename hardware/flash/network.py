"""A disk of a SOM that runs Linux, written over SSH. Nothing has to be installed there but sh, dd and flock.

What runs there is farside.sh, sent along. The disk must not be the one that the SOM runs from: the far side itself
refuses a disk that is mounted, swap, part of something or locked, and looks once more just before the first write.

Writes and their answers overlap: `write` returns while the last few are still on their way, and `sync` awaits them all.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hardware.errors import (
    DeviceNotFound,
    HardwareError,
    ReadError,
    RemoteRefused,
    RemoteUnavailable,
    TargetChanged,
    TargetInUse,
    TargetRefused,
    WriteError,
)
from hardware.flash.disks import DiskIdentity
from hardware.flash.ssh import CLOSE_SECONDS, Session, SessionEnded, connect
from hardware.flash.sshkeys import RemoteAddress, SshKeys, plain

BLOCK_BYTES = 4096  # all that is sent or asked for starts and ends at a multiple, or at the disk's end
PIECE_BYTES = 1024**2  # the far side's dd holds one
WINDOW_PIECES = 4  # on their way at once
READ_BYTES = 512 * 1024
AHEAD_READS = 8  # asked for in advance, once somebody reads on and on

_FAR_SIDE = Path(__file__).with_name("farside.sh")
_ZEROS = bytes(PIECE_BYTES)


@dataclass(frozen=True)
class RemoteDisk:
    """A disk that a SOM's Linux has. `uses` is why it must not be written to, in words that complete "the disk ..."."""

    identity: DiskIdentity
    name: str
    model: str
    uses: tuple[str, ...]


def place_of(address: RemoteAddress, disk: str) -> str:
    """Where a remote disk is, as a DiskIdentity says it: "root@cm5.lan:/dev/nvme0n1"."""
    return f"{address}:/dev/{disk}"


def parse_place(place: str) -> tuple[RemoteAddress, str]:
    """The address and the disk's name in a place. Raises RemoteRefused."""
    address, found, disk = place.rpartition(":/dev/")
    if not found or not disk.isascii() or not disk.isalnum():
        raise RemoteRefused(f'"{plain(place)}" is not of the form user@host:/dev/disk.')
    return RemoteAddress.parse(address), disk


def list_disks(address: RemoteAddress, keys: SshKeys, stop: threading.Event | None = None) -> tuple[RemoteDisk, ...]:
    """The disks there, in the order of their names, those in use included.

    Blocks up to GREETING_SECONDS, and ANSWER_SECONDS more. Raises what `connect` raises.
    """
    with contextlib.closing(connect(address, keys, _FAR_SIDE.read_text(), stop)) as session:
        try:
            session.send(b"disks\n")
            lines = list(iter(session.line, "."))
        except SessionEnded as ended:
            raise RemoteUnavailable(str(address), ended.reason) from ended
    return tuple(_disk(address, line) for line in lines)


def find_disk(place: str, keys: SshKeys, stop: threading.Event | None = None) -> RemoteDisk:
    """The disk in that place, as it is now. Blocks like `list_disks` and raises what it raises, and DeviceNotFound."""
    address, _ = parse_place(place)
    for disk in list_disks(address, keys, stop):
        if disk.identity.place == place:
            return disk
    raise DeviceNotFound(f"The disk {place}")


class RemoteTarget:
    """A disk at the far side, opened and locked there (BlockTarget). Other threads may `close` it at any time."""

    is_direct = False
    clears = False  # yet zeros are not sent: the far side makes its own

    def __init__(self, session: Session, wanted: DiskIdentity, name: str, reads_back_by: str) -> None:
        self._session = session
        self.identity = wanted
        self.name = name
        self.size_bytes = wanted.size_bytes
        self.reads_back_by = reads_back_by
        self._place = 0  # of the far side's next write
        self._owed: deque[int] = deque()  # offsets of the writes that are not answered yet
        self._written_to = 0
        self._stream = _Stream(session, wanted.size_bytes)

    @classmethod
    def open(cls, wanted: DiskIdentity, keys: SshKeys, stop: threading.Event | None = None) -> "RemoteTarget":
        """Opens the disk that was planned for and has the far side make sure that it is that one, and free.

        Blocks up to GREETING_SECONDS, and ANSWER_SECONDS more. Raises what `connect` raises, DeviceNotFound if nothing
        is in its place, TargetChanged if another disk is, TargetInUse if it is mounted, swap space, part of something
        or locked there, TargetRefused if it is write-protected, RemoteRefused if the far side lacks what is needed,
        Stopped. Nothing has been written then.
        """
        address, disk = parse_place(wanted.place)
        if not wanted.serial.isprintable():
            raise RemoteRefused(f"The serial number of {wanted.place} cannot be sent.")
        with contextlib.ExitStack() as undo:
            session = connect(address, keys, _FAR_SIDE.read_text(), stop)
            undo.callback(session.close)
            try:
                session.send(f"open {disk} {wanted.size_bytes} {wanted.serial}\n".encode())
                direct = session.line() == "direct,skip_bytes"
            except SessionEnded as ended:
                raise _refusal(wanted, ended) or RemoteUnavailable(str(address), ended.reason) from ended
            session.stop = None  # from now on it is the writer who stops
            way = "O_DIRECT" if direct else "blockdev --flushbufs"
            target = cls(session, wanted, f"{disk} at {address}", f"{way} on the SOM")
            undo.pop_all()
        return target

    def write(self, offset: int, data: memoryview) -> None:
        if offset + len(data) > self.size_bytes:
            raise WriteError(self.name, self.size_bytes, "No space left on device")
        if offset % BLOCK_BYTES or (len(data) % BLOCK_BYTES and offset + len(data) != self.size_bytes):
            self._write_unaligned(offset, data)
            return
        with self._write_errors():
            self._stream.end()
            for start in range(0, len(data), PIECE_BYTES):
                self._send(offset + start, data[start : start + PIECE_BYTES])

    def clear(self, offset: int, length: int) -> bool:
        return False

    def sync(self) -> None:
        with self._write_errors():
            self._stream.end()
            self._collect(0)
            self._session.send(b"sync\n")
            self._expect_ok()

    def read(self, offset: int, buffer: memoryview) -> None:
        with self._write_errors():
            self._collect(0)
        try:
            self._stream.read(offset, buffer)
        except SessionEnded as ended:
            raise ReadError(self.name, self._stream.place, ended.reason) from ended

    def close(self) -> None:
        """Blocks up to CLOSE_SECONDS: the disk is free by then, unless there is no way to it any more."""
        self._session.close()

    def _send(self, offset: int, data: memoryview) -> None:
        """One block to the far side, after as few earlier ones as the window has room for."""
        if offset < self._place:
            self._session.send(b"rewind\n")
            self._place = 0
        if offset > self._place:
            self._session.send(b"skip %d\n" % (offset - self._place))
        self._owed.append(offset)
        self._place = self._written_to = offset + len(data)
        if bytes(data) == _ZEROS[: len(data)]:
            self._session.send(b"zero %d\n" % len(data))
        else:
            self._session.send(b"write %d\n" % len(data), data)
        self._collect(WINDOW_PIECES)

    def _collect(self, most: int) -> None:
        """Takes the answers that are there, and awaits those that are missing to leave no more than `most` open."""
        while len(self._owed) > most or (self._owed and self._session.has_line()):
            self._expect_ok()
            self._owed.popleft()

    def _expect_ok(self) -> None:
        if self._session.line() != "ok":
            raise SessionEnded("it answers something else than it was asked")

    def _write_unaligned(self, offset: int, data: memoryview) -> None:
        """Whole blocks around the data, with what the disk holds at their ends."""
        start = offset - offset % BLOCK_BYTES
        end = min(-(-(offset + len(data)) // BLOCK_BYTES) * BLOCK_BYTES, self.size_bytes)
        view = memoryview(bytearray(end - start))
        last = (end - 1) // BLOCK_BYTES * BLOCK_BYTES
        for edge in {start, last}:
            self.read(edge, view[edge - start : edge - start + BLOCK_BYTES])
        view[offset - start : offset - start + len(data)] = data
        self.write(start, view)

    @contextlib.contextmanager
    def _write_errors(self) -> Iterator[None]:
        try:
            yield
        except SessionEnded as ended:
            raise _refusal(self.identity, ended) or WriteError(self.name, self._unanswered(), ended.reason) from ended

    def _unanswered(self) -> int:
        """Where the first write begins that the far side did not take. It may have ended while we were sending, before
        its earlier answers were looked at."""
        with contextlib.suppress(SessionEnded):
            while self._owed and self._session.line(CLOSE_SECONDS) == "ok":
                self._owed.popleft()
        return self._owed[0] if self._owed else self._written_to


class _Stream:
    """Reading in order, with the next blocks on their way. `place` is where the next byte comes from."""

    def __init__(self, session: Session, size_bytes: int) -> None:
        self._session = session
        self._size = size_bytes
        self.place = 0
        self._asked_to = 0
        self._ahead = 0

    def read(self, offset: int, buffer: memoryview) -> None:
        if self.place <= offset < self._asked_to or offset == self.place > 0:
            self._ahead = min(AHEAD_READS, self._ahead * 2 or 1)
        else:
            self.end()
            self.place = self._asked_to = offset - offset % BLOCK_BYTES
            self._ahead = 0
        end = -(-(offset + len(buffer)) // BLOCK_BYTES) * BLOCK_BYTES + self._ahead * READ_BYTES
        while self._asked_to < min(end, self._size):
            length = min(READ_BYTES, end - self._asked_to, self._size - self._asked_to)
            self._session.send(b"read %d %d\n" % (self._asked_to, length))
            self._asked_to += length
        self._pass_over(offset - self.place)
        self._session.fill(buffer)
        self.place = offset + len(buffer)

    def end(self) -> None:
        """Lets come what was asked for, since an answer cannot be called back."""
        self._pass_over(self._asked_to - self.place)

    def _pass_over(self, length: int) -> None:
        scratch = memoryview(bytearray(min(length, READ_BYTES)))
        while length > 0:
            count = min(length, len(scratch))
            self._session.fill(scratch[:count])
            self.place += count
            length -= count


def _disk(address: RemoteAddress, line: str) -> RemoteDisk:
    fields = line.split("\t")
    if len(fields) != 6 or not fields[0].isalnum() or not fields[1].isdecimal():
        raise RemoteRefused(f'{address} has listed a disk as "{plain(line)}", which cannot be read.')
    name, size, protected, serial, model, uses = fields
    reasons = [plain(reason) for reason in uses.split("; ") if reason]
    if protected != "0":
        reasons.append("is write-protected")
    return RemoteDisk(
        DiskIdentity(place_of(address, name), "", "", serial, int(size)), name, plain(model), tuple(reasons)
    )


def _refusal(wanted: DiskIdentity, ended: SessionEnded) -> HardwareError | None:
    """The error for what the far side has refused before it wrote anything."""
    words = ended.words.rstrip("; ")
    match ended.code:
        case "gone":
            return DeviceNotFound(f"The disk {wanted}")
        case "changed":
            return TargetChanged(f"The disk that was planned for is {wanted}, but what is there now has {words}.")
        case "busy":
            return TargetInUse(f"The disk {wanted.place} is not written: it {words.replace('; ', ', ')}.")
        case "refused":
            return TargetRefused(f"The disk {wanted.place} is not written: it {words}.")
        case "lacks":
            address, _ = parse_place(wanted.place)
            return RemoteRefused(f"{address} lacks a program that is needed: {words}.")
    return None
