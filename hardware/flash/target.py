"""A disk or a file as something to write an image to, opened so that nobody else has it. Linux only."""

import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import stat
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from hardware.errors import (
    DeviceNotFound,
    ReadError,
    TargetAmbiguous,
    TargetChanged,
    TargetInUse,
    TargetRefused,
    WriteError,
)
from hardware.flash.disks import PROC, SYS, Disk, DiskIdentity, disk_at, find_disks, uses_of

# Source: the kernel's interface, linux/fs.h
BLKGETSIZE64 = 0x80081272
BLKSSZGET = 0x1268
BLKZEROOUT = 0x127F
# Source: linux/falloc.h
FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE = 1, 2

CACHE_DROPPED = "fsync and POSIX_FADV_DONTNEED"
CLEAR_BYTES = 64 * 1024**2  # at a time, so that a cancel is noticed between


class DiskTarget:
    """A block device under an exclusive open, written past the cache where it lets us (BlockTarget)."""

    def __init__(self, file: int, disk: Disk) -> None:
        self._file = file
        self.is_direct = bool(fcntl.fcntl(file, fcntl.F_GETFL) & os.O_DIRECT)
        self.reads_back_by = "O_DIRECT" if self.is_direct else CACHE_DROPPED
        self.identity = disk.identity
        self.name = f"{disk.name} at {disk.identity.place}"
        self.size_bytes = disk.identity.size_bytes
        self.clears = disk.can_clear
        self._block = _ioctl_number(file, BLKSSZGET, "i")
        self._written_to = 0

    @classmethod
    def open(
        cls, wanted: DiskIdentity, *, protected: Sequence[Path] = (), sys: Path = SYS, proc: Path = PROC
    ) -> "DiskTarget":
        """Opens the disk that was planned for, exclusively, and makes sure once more that it is that one.

        `protected` are files or directories that the portal lives from: their disks are refused whatever the plan says.

        Raises DeviceNotFound if nothing is in its place, TargetAmbiguous if there are two of it, TargetChanged if
        another disk is, TargetInUse if it is mounted, part of something, held by another program or the portal's own,
        TargetRefused if it is write-protected. Nothing has been written then.
        """
        disk = planned_disk(wanted, find_disks(sys))
        _refuse_unless_free(disk, uses_of(disk, protected=protected, sys=sys, proc=proc))
        file = _open_exclusively(disk)
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, file)
            status = os.fstat(file)
            number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
            # It may have been pulled and another plugged in since: what counts is the one that is open now.
            opened = disk_at(number, sys) if stat.S_ISBLK(status.st_mode) else None
            if not opened or opened.identity != wanted or _ioctl_number(file, BLKGETSIZE64, "Q") != wanted.size_bytes:
                raise TargetChanged(f"The disk at {wanted.place} changed while it was being opened.")
            _refuse_unless_free(opened, uses_of(opened, protected=protected, sys=sys, proc=proc))
            target = cls(file, opened)
            undo.pop_all()
        return target

    def write(self, offset: int, data: memoryview) -> None:
        with write_errors(self.name, offset):
            if self._is_aligned(offset, data):
                _write_all(self._file, data, offset)
            else:
                self._write_unaligned(offset, data)
        self._written_to = offset + len(data)

    def _is_aligned(self, offset: int, data: memoryview) -> bool:
        return offset % self._block == 0 and len(data) % self._block == 0 and _is_page_aligned(data)

    def _write_unaligned(self, offset: int, data: memoryview) -> None:
        """Whole blocks around the data, with what the disk holds at their ends."""
        start = offset - offset % self._block
        end = -(-(offset + len(data)) // self._block) * self._block
        view = memoryview(mmap.mmap(-1, end - start))
        for edge in {start, end - self._block}:
            _read_all(self._file, view[edge - start : edge - start + self._block], edge)
        view[offset - start : offset - start + len(data)] = data
        _write_all(self._file, view, start)

    def clear(self, offset: int, length: int) -> bool:
        if not self.clears or offset % self._block or length % self._block:
            return False
        for start in range(offset, offset + length, CLEAR_BYTES):
            span = min(CLEAR_BYTES, offset + length - start)
            try:
                fcntl.ioctl(self._file, BLKZEROOUT, struct.pack("QQ", start, span))
            except OSError as error:
                if start == offset and error.errno in (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY):
                    self.clears = False
                    return False
                raise WriteError(self.name, start, os.strerror(error.errno or 0)) from error
        return True

    def sync(self) -> None:
        with write_errors(self.name, self._written_to):
            os.fdatasync(self._file)

    def read(self, offset: int, buffer: memoryview) -> None:
        with read_errors(self.name, offset):
            if not self.is_direct:
                _drop_cache(self._file, offset, len(buffer))
            if self._is_aligned(offset, buffer):
                _read_all(self._file, buffer, offset)
                return
            start = offset - offset % self._block
            view = memoryview(mmap.mmap(-1, -(-(offset + len(buffer)) // self._block) * self._block - start))
            _read_all(self._file, view, start)
            buffer[:] = view[offset - start : offset - start + len(buffer)]

    def close(self) -> None:
        os.close(self._file)


class FileTarget:
    """A file that stands for a disk, of the size that it has (BlockTarget). Locked with flock, not opened exclusively.

    Only programs that ask for the same lock are kept out: enough for a simulated SOM's storage, never for a disk.
    """

    is_direct = False
    clears = True
    reads_back_by = CACHE_DROPPED

    def __init__(self, file: int, path: Path) -> None:
        self._file = file
        self.name = f"the file {path.name}"
        self.size_bytes = os.fstat(file).st_size
        self._written_to = 0

    @classmethod
    def open(cls, path: Path) -> Self:
        """Raises DeviceNotFound, TargetRefused if it is no ordinary file, TargetInUse if its lock is held."""
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY)
        except FileNotFoundError as error:
            raise DeviceNotFound(f"The file {path}") from error
        except OSError as error:
            raise TargetRefused(f"The file {path} could not be opened: {os.strerror(error.errno or 0)}.") from error
        with contextlib.ExitStack() as undo:
            undo.callback(os.close, file)
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise TargetRefused(f"The path {path} is not a file: a disk is opened as a disk, exclusively.")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise TargetInUse(f"The file {path} is being written to by another program.") from error
            undo.pop_all()
        return cls(file, path)

    def write(self, offset: int, data: memoryview) -> None:
        with write_errors(self.name, offset):
            if offset + len(data) > self.size_bytes:  # a disk would refuse it; a file would grow
                raise OSError(errno.ENOSPC, "")
            _write_all(self._file, data, offset)
        self._written_to = offset + len(data)

    def clear(self, offset: int, length: int) -> bool:
        if not self.clears:
            return False
        self.clears = punch_hole(self._file, offset, length)
        return self.clears

    def sync(self) -> None:
        with write_errors(self.name, self._written_to):
            os.fdatasync(self._file)

    def read(self, offset: int, buffer: memoryview) -> None:
        with read_errors(self.name, offset):
            _drop_cache(self._file, offset, len(buffer))
            _read_all(self._file, buffer, offset)

    def close(self) -> None:
        os.close(self._file)


# Finding and opening


def planned_disk(wanted: DiskIdentity, disks: Sequence[Disk]) -> Disk:
    there = [disk for disk in disks if disk.identity.place == wanted.place]
    same = [disk for disk in there if disk.identity == wanted]
    if len(same) > 1:
        names = " and ".join(disk.name for disk in same)
        raise TargetAmbiguous(f"More than one disk at {wanted.place} could be meant, so none is written: {names}.")
    if same:
        return same[0]
    if there:
        found = " and ".join(str(disk.identity) for disk in there)
        raise TargetChanged(f"The disk that was planned for is {wanted}, but what is there now is {found}.")
    raise DeviceNotFound(f"The disk {wanted}")


def _refuse_unless_free(disk: Disk, uses: list[str]) -> None:
    if disk.is_read_only:
        raise TargetRefused(f"The disk {disk.name} at {disk.identity.place} is write-protected.")
    if uses:
        raise TargetInUse(f"The disk {disk.name} at {disk.identity.place} is not written: it {', and '.join(uses)}.")


def _open_exclusively(disk: Disk) -> int:
    """O_EXCL on a block device: the kernel refuses it while it or a partition of it is mounted or held so."""
    flags = os.O_RDWR | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    for more in (os.O_DIRECT, 0):
        try:
            return os.open(disk.node, flags | more)
        except OSError as error:
            reason = os.strerror(error.errno or 0)
            if error.errno == errno.EBUSY:
                raise TargetInUse(
                    f"The disk {disk.name} at {disk.identity.place} is held by another program."
                ) from error
            if error.errno in (errno.ENOENT, errno.ENXIO, errno.ENODEV, errno.ENOMEDIUM):
                raise DeviceNotFound(f"The disk {disk.identity}") from error
            if error.errno != errno.EINVAL or not more:
                raise TargetRefused(f"The disk {disk.name} could not be opened: {reason}.") from error
    raise AssertionError("the loop above returns or raises")


def _ioctl_number(file: int, request: int, format: str) -> int:
    answer = fcntl.ioctl(file, request, bytes(struct.calcsize(format)))
    return int(struct.unpack(format, answer)[0])


# Bytes


def _write_all(file: int, data: memoryview, offset: int) -> None:
    while data:
        count = os.pwrite(file, data, offset)
        data, offset = data[count:], offset + count


def _read_all(file: int, buffer: memoryview, offset: int) -> None:
    while buffer:
        count = os.preadv(file, [buffer], offset)
        if not count:
            raise OSError(errno.EIO, "")  # it ends before its end
        buffer, offset = buffer[count:], offset + count


def _drop_cache(file: int, offset: int, length: int) -> None:
    os.posix_fadvise(file, offset, length, os.POSIX_FADV_DONTNEED)


def _is_page_aligned(data: memoryview) -> bool:
    return not data.readonly and ctypes.addressof(ctypes.c_char.from_buffer(data)) % mmap.PAGESIZE == 0


def punch_hole(file: int, offset: int, length: int) -> bool:
    mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE
    return bool(_libc.fallocate(file, mode, ctypes.c_int64(offset), ctypes.c_int64(length)) == 0)


_libc = ctypes.CDLL(None, use_errno=True)


@contextlib.contextmanager
def write_errors(name: str, offset: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WriteError(name, offset, os.strerror(error.errno or 0)) from error


@contextlib.contextmanager
def read_errors(name: str, offset: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReadError(name, offset, os.strerror(error.errno or 0)) from error
