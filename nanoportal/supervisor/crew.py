"""All children together: one loop that reads their output, notices deaths and restarts, until somebody says stop."""

import os
import select
import signal
import time
from collections.abc import Callable, Iterable

from nanoportal.supervisor.child import Child, Program
from nanoportal.supervisor.terminal import Terminal
from nanoportal.supervisor.wishes import Wishes

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The loop wakes by itself for output, deaths, restarts that are due and signals; conditions are looked at this often.
TURN_SECONDS = 5.0


class StopAsked(Exception):
    """Somebody asked the portal to stop, by Ctrl-C or a signal."""


class Crew:
    """The children and the loop around them. No threads: a child's death signal hangs on the thread that spawned it."""

    def __init__(self, terminal: Terminal, time_scale: float = 1.0) -> None:
        self.children: list[Child] = []
        self._terminal = terminal
        self._time_scale = time_scale
        self._stop_asked = False
        self._restarting = True
        self._wishes: Wishes | None = None
        self._wake = self._be_woken_by_signals()

    def _be_woken_by_signals(self) -> int:
        """Let the signals that matter wake the loop and do nothing else: the loop itself looks what has happened."""
        wake, wake_from_signal = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_from_signal, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in STOP_SIGNALS:
            signal.signal(number, self._note_stop)
        return wake

    def _note_stop(self, *_: object) -> None:
        self._stop_asked = True

    def start(self, program: Program) -> Child:
        """Take a program into the crew and start it."""
        child = Child(program, self._terminal.say, self._time_scale)
        self.children.append(child)
        self._spawn(child)
        return child

    def listen(self, wishes: Wishes) -> None:
        """From now on start what is wished for."""
        self._wishes = wishes

    def stand_by(self, program: Program) -> Child:
        """Take a program into the crew that is started once somebody wishes for it."""
        child = Child(program, self._terminal.say, self._time_scale)
        self.children.append(child)
        return child

    def wait_until(
        self, condition: Callable[[], bool], timeout_seconds: float | None = None, turn_seconds: float = TURN_SECONDS
    ) -> bool:
        """Keep the crew going until `condition` holds; False when that took too long.

        Raises `StopAsked` when somebody asks to stop.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while not condition():
            if self._stop_asked:
                raise StopAsked
            if deadline is not None and time.monotonic() >= deadline:
                return False
            self._take_turn(turn_seconds, deadline)
        return True

    def end(self, children: Iterable[Child], deadline: float) -> None:
        """End these children for good: one TERM each, KILL for those still there at `deadline` on the monotonic clock.

        Nobody is restarted from here on, and further wishes to stop change nothing.
        """
        self._restarting = False
        leaving = [child for child in children if child.is_running]
        for child in leaving:
            child.signal(signal.SIGTERM)
        killed = False
        while any(child.is_running for child in leaving):
            if not killed and time.monotonic() >= deadline:
                killed = True
                for child in (child for child in leaving if child.is_running):
                    self._terminal.say(f"{child.program.name} did not stop in time and was killed.")
                    child.signal(signal.SIGKILL)
            self._take_turn(TURN_SECONDS, None if killed else deadline)

    def _take_turn(self, longest_seconds: float, deadline: float | None) -> None:
        """Wait for something to happen, then see to it."""
        outputs = {child.output: child for child in self.children if child.output is not None}
        wishes = [self._wishes.descriptor] if self._wishes else []
        ready, _, _ = select.select([self._wake, *wishes, *outputs], [], [], self._pause(longest_seconds, deadline))
        for descriptor in ready:
            if descriptor == self._wake:
                os.read(self._wake, 512)
            elif descriptor in outputs:
                outputs[descriptor].read_output()
        for child in self.children:
            status = child.reap()
            if status is not None:
                self._bury(child, status)
        self._grant_wishes()
        for child in self.children:
            if self._restarting and child.restart_at is not None and child.restart_at <= time.monotonic():
                self._spawn(child)
        self._terminal.flush()

    def _grant_wishes(self) -> None:
        wanted = self._wishes.take() if self._wishes else set()
        for child in self.children:
            idle = not child.is_running and child.restart_at is None
            if self._restarting and idle and child.program.on_demand and child.program.name in wanted:
                self._spawn(child)

    def _pause(self, longest_seconds: float, deadline: float | None) -> float:
        moments = [child.restart_at for child in self.children if child.restart_at is not None and self._restarting]
        if deadline is not None:
            moments.append(deadline)
        longest = 0.2 if self._terminal.has_waiting else longest_seconds
        return max(0.0, min([longest, *(moment - time.monotonic() for moment in moments)]))

    def _bury(self, child: Child, status: int) -> None:
        """What a death calls for: its consequences first of all, then the restart."""
        child.program.on_death()
        if not self._restarting or not child.program.restarts or (child.program.on_demand and status == 0):
            return
        delay = child.schedule_restart()
        how = f"signal {-status}" if status < 0 else f"exit status {status}"
        self._terminal.say(f"{child.program.name} died ({how}), {_again(delay)}.{child.program.consequence}")

    def _spawn(self, child: Child) -> None:
        try:
            child.start()
        except OSError as error:
            delay = child.schedule_restart()
            self._terminal.say(f"{child.program.name} cannot be started ({error.strerror}), {_again(delay)}.")


def _again(delay_seconds: float) -> str:
    return f"restarting in {delay_seconds:.2g} s" if delay_seconds else "restarting at once"
