"""Real systems behind a simulated board's UARTs: a boot loader or a Linux that nobody here wrote, run by QEMU.

A peer has power when its slot's SOM has: each power-on is a fresh boot, a power-off ends its process. It dies with the
simulator, however that ends. The simulated time scale does not reach it.
"""

import ctypes
import os
import selectors
import shutil
import signal
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

from hardware.simulator import linux_image
from hardware.simulator.clock import Scheduler, Timer
from hardware.simulator.uart import Uart

KINDS = ("u-boot", "linux")
U_BOOT = Path("/usr/lib/u-boot/qemu_arm64/u-boot.bin")  # Debian's u-boot-qemu
_QEMU = "qemu-system-aarch64"  # Debian's qemu-system-arm
_READ_BYTES = 4096
_PROMPT = b"(qemu) "
#: While the line is full the peer waits, as a program waits for a transmitter; in seconds of the wall.
_FULL_LINE_SECONDS = 0.005
#: So many waits without a byte taken, and nobody reads: what the peer says then is lost, as on a wire.
_PATIENCE = 40
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class PeerProblem(Exception):
    """A peer that cannot be run here; the text is one sentence."""


def parse(words: list[str], slots: range) -> dict[int, str]:
    """Return what `--peer 3=u-boot` asks for, by slot; raises PeerProblem."""
    asked = {}
    for word in words:
        slot, _, kind = word.partition("=")
        if kind not in KINDS or not slot.isdigit() or int(slot) not in slots:
            raise PeerProblem(f"A peer is SLOT={' or SLOT='.join(KINDS)} with a slot that has a UART, not {word!r}.")
        asked[int(slot)] = kind
    return asked


def command(kind: str) -> list[str]:
    """Return what runs this kind of peer, its serial port on standard input; raises PeerProblem."""
    if shutil.which(_QEMU) is None:
        raise PeerProblem(f"A peer needs {_QEMU}; on Debian: apt-get install qemu-system-arm u-boot-qemu")
    # The serial port is named so that the monitor, which is on standard error, can find it.
    words = [_QEMU, "-M", "virt", "-cpu", "cortex-a53", "-display", "none", "-nodefaults", "-nic", "none"]
    words += ["-chardev", "stdio,id=serial0,signal=off", "-serial", "chardev:serial0"]
    words += ["-chardev", "socket,id=monitor,fd=2", "-mon", "chardev=monitor,mode=readline"]
    if kind == "u-boot":
        if not U_BOOT.exists():
            raise PeerProblem(f"There is no {U_BOOT}; on Debian: apt-get install u-boot-qemu")
        return [*words, "-m", "64", "-bios", str(U_BOOT)]
    if not linux_image.is_there():
        raise PeerProblem("The Linux peer has not been fetched yet; `make peers` does it.")
    words += ["-m", "192", "-kernel", str(linux_image.KERNEL), "-initrd", str(linux_image.INITIAL_ROOT)]
    return [*words, "-append", "console=ttyAMA0,115200"]


def _disk(file: Path) -> list[str]:
    """Return what gives a peer that file as its disk; a comma in the path is written twice (qemu(1))."""
    path = str(file).replace(",", ",,")
    return ["-drive", f"file={path},format=raw,if=none,id=storage", "-device", "virtio-blk-device,drive=storage"]


class Peer:
    """One real system at the other end of a UART, without power at first. Lives in the simulator's one thread."""

    def __init__(self, kind: str, uart: Uart, selector: selectors.BaseSelector, scheduler: Scheduler) -> None:
        """Raises PeerProblem when it could not be run.

        `selector` carries an action as each key's data, called when the descriptor is readable.
        """
        self.kind = kind
        #: Called when the system switched itself off.
        self.ended: Callable[[], None] = lambda: None
        self._command = command(kind)
        self._uart = uart
        self._selector = selector
        self._scheduler = scheduler
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None
        self._monitor: socket.socket | None = None
        self._waiting = b""
        self._waits = 0
        self._retry: Timer | None = None
        self._behind: bytearray | None = None  # what was typed behind a break that the monitor has not answered yet
        self._answer = b""

    @property
    def pid(self) -> int | None:
        """The process that runs it; None without power."""
        return self._process.pid if self._process is not None else None

    def power_on(self, storage: Path | None = None) -> None:
        """Boot from cold, with what the SOM has stored as its disk; nothing happens if it has power."""
        if self._process is not None:
            return
        self._line, its_line = socket.socketpair()
        self._monitor, its_monitor = socket.socketpair()
        with its_line, its_monitor:
            self._process = subprocess.Popen(
                [*self._command, *(_disk(storage) if storage is not None else [])],
                stdin=its_line.fileno(),
                stdout=its_line.fileno(),
                stderr=its_monitor.fileno(),
                start_new_session=True,
                preexec_fn=_tied_to(os.getpid()),
            )
        for end in (self._line, self._monitor):
            end.setblocking(False)
        self._waiting, self._waits = b"", 0
        self._selector.register(self._line, selectors.EVENT_READ, self._hear)

    def power_off(self) -> None:
        """End it at once; nothing happens if it has no power."""
        process, self._process = self._process, None
        line, self._line = self._line, None
        if self._retry is not None:
            self._retry.cancel()
        if line is not None:
            if not self._waiting:  # else nobody watches it at the moment
                self._selector.unregister(line)
            line.close()
        if self._monitor is not None:
            if self._behind is not None:
                self._selector.unregister(self._monitor)
            self._monitor.close()
        self._behind = None
        if process is not None:
            process.kill()
            process.wait()

    def send(self, data: bytes) -> None:
        """Let it receive bytes; what it does not take for long is lost."""
        if self._behind is not None:
            self._behind += data
        elif self._line is not None:
            try:
                self._line.send(data)
            except (BlockingIOError, BrokenPipeError, ConnectionResetError):
                return

    def send_break(self) -> None:
        """Let it receive a break: what the kernel's SysRq waits for. It goes another way than bytes do, so those that
        are sent from now on wait until it is there."""
        if self._process is None or self._monitor is None:
            return
        if self._behind is None:
            with suppress(BlockingIOError):
                while self._monitor.recv(_READ_BYTES):  # what it said before
                    continue
            self._behind, self._answer = bytearray(), b""
            self._selector.register(self._monitor, selectors.EVENT_READ, self._break_came)
        with suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
            self._monitor.send(b"chardev-send-break serial0\n")

    def _break_came(self) -> None:
        """Hand over what waited, once the monitor asks for the next command, or has ended."""
        if self._monitor is None or self._behind is None:  # switched off after it became readable
            return
        try:
            said = self._monitor.recv(_READ_BYTES)
        except (BlockingIOError, ConnectionResetError):
            said = b""
        self._answer += said
        if said and _PROMPT not in self._answer:
            return
        self._selector.unregister(self._monitor)
        typed, self._behind = bytes(self._behind), None
        self.send(typed)

    def _hear(self) -> None:
        """Put what it says on the UART."""
        if self._line is None:  # switched off after it became readable
            return
        try:
            data = self._line.recv(_READ_BYTES)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if data:
            self._offer(data)
        else:
            self.power_off()
            self.ended()

    def _offer(self, data: bytes) -> None:
        """Send, and let it wait while the line is full and somebody reads."""
        taken = self._uart.offer(data)
        self._waits = 0 if taken else self._waits + 1
        rest = data[taken:]
        if self._waits > _PATIENCE:
            self._uart.drop(len(rest))
            rest = b""
        was_waiting, self._waiting = bool(self._waiting), rest
        assert self._line is not None
        if rest and not was_waiting:
            self._selector.unregister(self._line)
        elif was_waiting and not rest:
            self._selector.register(self._line, selectors.EVENT_READ, self._hear)
        if rest:
            pause = _FULL_LINE_SECONDS * self._scheduler.time_scale
            self._retry = self._scheduler.call_later(pause, partial(self._offer, rest))


def _tied_to(parent: int) -> Callable[[], None]:
    """Return what makes a child die with its parent; the parent must have a single thread (prctl(2))."""
    libc = ctypes.CDLL(None, use_errno=True)

    def tie() -> None:
        if libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "PR_SET_PDEATHSIG")
        if os.getppid() != parent:  # it died before the request was in place
            os._exit(1)

    return tie
