"""Where one simulated board keeps its sockets, UART links and lock: `DIR/sim/<board>/`."""

import fcntl
import os
import re
import stat
from pathlib import Path

DEFAULT_BOARD = "demo"
#: A unix socket's path must fit 108 bytes with its final zero (unix(7)); some room is left for others' limits.
LONGEST_SOCKET_PATH_BYTES = 100


class PlaceError(Exception):
    """The board's directory cannot be used; the text is one sentence."""


def board_directory(data: Path, board: str) -> Path:
    """Return the directory of a board's files; raises PlaceError when the name is not a slug."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,62}", board):
        raise PlaceError(f"A board's name has lower-case letters, digits, - and _ only, not {board!r}.")
    return data.absolute() / "sim" / board


class Lock:
    """The right to be the one simulator in a directory, held until the process ends or `release`."""

    def __init__(self, directory: Path) -> None:
        """Take it; raises PlaceError naming the process that has it."""
        self._file = os.open(directory / "simulator.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file, 32, 0).decode().strip() or "unknown"
            os.close(self._file)
            raise PlaceError(f"A simulated board runs in {directory} already, as process {holder}.") from None
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another simulator have the directory."""
        os.ftruncate(self._file, 0)
        os.close(self._file)


def place_socket(directory: Path, name: str) -> Path:
    """Return a path at which a socket can be bound, with nothing there; only for the holder of the lock.

    If the natural path is too long, the socket goes to a private directory under the system's temporary directory,
    named in `<name>.path`. Raises OSError.
    """
    natural = directory / name
    natural.unlink(missing_ok=True)
    if len(os.fsencode(natural)) <= LONGEST_SOCKET_PATH_BYTES:
        _note(directory, name).unlink(missing_ok=True)
        return natural
    left_over = _noted_path(directory, name)
    if left_over is not None and _is_private(left_over.parent):
        left_over.unlink(missing_ok=True)
        return left_over
    path = _new_private_directory() / name
    _note(directory, name).write_text(f"{path}\n")
    return path


def find_socket(directory: Path, name: str) -> Path:
    """Return the path at which the simulator of this directory bound this socket; it may be gone."""
    return _noted_path(directory, name) or directory / name


def remove_socket(directory: Path, name: str) -> None:
    """Remove a socket, and what `place_socket` made for it."""
    path = find_socket(directory, name)
    path.unlink(missing_ok=True)
    if path.parent != directory:
        path.parent.rmdir()
        _note(directory, name).unlink(missing_ok=True)


def _note(directory: Path, name: str) -> Path:
    return directory / f"{name}.path"


def _noted_path(directory: Path, name: str) -> Path | None:
    try:
        return Path(_note(directory, name).read_text().strip())
    except FileNotFoundError:
        return None


def _is_private(directory: Path) -> bool:
    try:
        status = directory.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


def _new_private_directory() -> Path:
    # Imported only where it is needed: it would cost every simulated board two megabytes.
    import tempfile

    return Path(tempfile.mkdtemp(prefix="nanoportal-sim-"))
