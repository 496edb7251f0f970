"""The loop around the children: restarts, stops, what children say, and what becomes of them when the loop is killed.

Each test runs a small script as a process of its own, since the crew owns its process's signals.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.portal import wait_for
from tests.simulated import PROJECT

PRELUDE = """
import os, signal, sys, time
from nanoportal.supervisor.child import Program
from nanoportal.supervisor.crew import Crew, StopAsked
from nanoportal.supervisor.terminal import Terminal
crew = Crew(Terminal())
def shell(name, script, **how):
    return crew.start(Program(name, ("sh", "-c", script), **how))
def until_stopped():
    try:
        crew.wait_until(lambda: False)
    except StopAsked:
        pass
"""


class Running:
    """A crew in a process of its own, and what it has said so far."""

    def __init__(self, script: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-c", PRELUDE + script], cwd=PROJECT, stdout=subprocess.PIPE, text=True
        )
        self.said: list[str] = []

    def next_line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the crew ended after saying {self.said}"
        self.said.append(line.rstrip("\n"))
        return self.said[-1]

    def line_with(self, words: str) -> str:
        while words not in (line := self.next_line()):
            pass
        return line

    def pid_of(self, name: str) -> int:
        """The pid that a child prints as `pid N`."""
        return int(self.line_with(f"{name:<9} | pid ").rpartition(" ")[2])


@pytest.fixture
def crew() -> Iterator[Callable[[str], Running]]:
    started: list[Running] = []

    def run(script: str) -> Running:
        started.append(Running(script))
        return started[-1]

    yield run
    for running in started:
        running.process.kill()
        running.process.wait(10)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_a_killed_child_restarts_at_once_then_after_a_second(crew) -> None:
    running = crew("shell('web', 'echo pid $$; exec sleep 60'); until_stopped()")
    os.kill(running.pid_of("web"), signal.SIGKILL)
    assert running.next_line() == "web died (signal 9), restarting at once."
    os.kill(running.pid_of("web"), signal.SIGKILL)
    died = time.monotonic()
    assert running.next_line() == "web died (signal 9), restarting in 1 s."
    running.pid_of("web")
    assert 0.9 < time.monotonic() - died < 2


def test_waits_between_restarts_grow_to_half_a_minute_and_begin_anew_after_a_healthy_minute(crew) -> None:
    running = crew(
        """
from nanoportal.supervisor import child
lives = iter([0] * 8 + [61])
real, now = time.monotonic, [0.0]
child.time.monotonic = lambda: now[0]
one = child.Child(Program("web", ("true",)), print)
for lived in lives:
    one._started_at = now[0]
    now[0] += lived
    print(one.schedule_restart())
"""
    )
    delays = [float(running.next_line()) for _ in range(9)]
    assert delays == [0, 1, 2, 4, 8, 16, 30, 30, 0]


def test_what_a_death_calls_for_is_done_before_the_restart(crew) -> None:
    running = crew(
        """
shell('worker', 'echo pid $$; exec sleep 60',
      on_death=lambda: os.write(1, b'released\\n'), consequence=' Mind the gap.')
until_stopped()
"""
    )
    os.kill(running.pid_of("worker"), signal.SIGKILL)
    assert running.next_line() == "released"
    assert running.next_line() == "worker died (signal 9), restarting at once. Mind the gap."
    assert "| pid" in running.next_line()


def test_a_child_that_cannot_be_started_is_tried_again_and_does_not_end_the_others(crew) -> None:
    running = crew("crew.start(Program('broker', ('/nowhere/server',))); shell('web', 'echo up'); until_stopped()")
    assert running.next_line() == "broker cannot be started (No such file or directory), restarting at once."
    running.line_with("web       | up")


def test_a_program_that_runs_once_is_not_restarted(crew) -> None:
    running = crew(
        """
once = shell('prepare', 'echo once; exit 3', restarts=False)
crew.wait_until(lambda: once.deaths)
print(crew.wait_until(lambda: once.is_running or once.deaths > 1, timeout_seconds=0.3))
"""
    )
    assert [running.next_line() for _ in range(2)] == ["prepare   | once", "False"]


def test_an_answer_is_taken_and_everything_else_is_shown(crew) -> None:
    running = crew(
        """
child = shell('simulator', 'echo "a warning" >&2; echo "{not json"; echo "{\\\\"pid\\\\": 7}"; printf "no newline"',
              answers=True, on_answer=lambda answer: print("answered", answer), restarts=False)
crew.wait_until(lambda: child.deaths)
print(child.answer["pid"])
"""
    )
    lines = [running.next_line() for _ in range(5)]
    assert lines == [
        "simulator | a warning",
        "simulator | {not json",
        "answered {'pid': 7}",
        "simulator | no newline",
        "7",
    ]


def test_ending_sends_one_term_each_and_kills_who_stays(crew) -> None:
    running = crew(
        """
obliging = shell('web', 'trap "echo term; exit" TERM; echo ready; while :; do sleep 0.1; done')
stubborn = shell('worker', 'trap "echo ignored" TERM; echo ready; while :; do sleep 0.1; done')
crew.wait_until(lambda: False, timeout_seconds=0.5)
began = time.monotonic()
crew.end([obliging, stubborn], time.monotonic() + 0.8)
print("took", time.monotonic() - began)
"""
    )
    lines = [running.line_with("took")] and running.said
    assert lines.count("web       | term") == 1
    assert lines.count("worker    | ignored") == 1
    assert "worker did not stop in time and was killed." in lines
    assert 0.7 < float(lines[-1].split()[1]) < 2


def test_ctrl_c_is_heeded_once_and_again_ctrl_c_changes_nothing(crew) -> None:
    running = crew(
        """
child = shell('worker', 'trap "echo term" TERM; echo ready; sleep 0.6; echo finished')
until_stopped()
crew.end([child], time.monotonic() + 5)
print("over")
"""
    )
    running.line_with("ready")
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        running.process.send_signal(number)
        time.sleep(0.05)
    running.line_with("over")
    assert running.said.count("worker    | term") == 1
    assert "worker    | finished" in running.said
    assert running.process.wait(5) == 0


def test_killing_the_crew_kills_its_children_and_lets_a_worker_finish_and_speak(crew, tmp_path: Path) -> None:
    note = tmp_path / "note"
    running = crew(
        f"""
shell('web', 'trap "" TERM; echo pid $$; while :; do sleep 0.1; done')
shell('worker', 'trap "sleep 0.3; echo I am stopping && echo released > {note}; exit" TERM; echo pid $$; '
      'while :; do sleep 0.1; done', death_signal=signal.SIGTERM)
until_stopped()
"""
    )
    web, worker = running.pid_of("web"), running.pid_of("worker")
    running.process.kill()
    wait_for(lambda: is_gone(web), 2, "the end of web")
    wait_for(lambda: is_gone(worker), 3, "the end of the worker")
    assert note.read_text() == "released\n", "a worker must not fail at a broken pipe while it stops"


def test_children_are_out_of_reach_of_the_terminals_ctrl_c(crew) -> None:
    running = crew("shell('worker', 'echo pid $$; exec sleep 60'); until_stopped()")
    pid = running.pid_of("worker")
    assert os.getsid(pid) == pid


def test_a_stopped_terminal_does_not_stop_the_crew(crew, tmp_path: Path) -> None:
    note = tmp_path / "note"
    running = crew(
        f"""
shell('web', 'while :; do echo {"x" * 1000}; done')
shell('worker', 'echo $$ > {tmp_path / "pid"}; exec sleep 60',
      on_death=lambda: open({str(note)!r}, "w").write("released"))
until_stopped()
"""
    )
    pid_file = tmp_path / "pid"
    wait_for(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"), 5, "a pid")
    time.sleep(0.5)  # nobody reads what the crew says: its pipe is full by now
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    wait_for(note.exists, 2, "the release")
    running.process.terminate()


def test_a_closed_terminal_does_not_end_the_crew(crew, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    running = crew(f"shell('web', 'echo $$ >> {pids}; echo hello; exec sleep 60'); until_stopped()")
    assert running.process.stdout is not None
    running.process.stdout.close()
    wait_for(lambda: pids.exists() and pids.read_text().endswith("\n"), 5, "a pid")
    os.kill(int(pids.read_text()), signal.SIGKILL)
    wait_for(lambda: len(pids.read_text().split()) == 2, 5, "the restart")
    assert running.process.poll() is None


def test_what_is_wished_for_is_started_ends_quietly_and_dies_loudly(crew, tmp_path: Path) -> None:
    """The second wish finds it running, the third finds it gone; an end that is no end is restarted without a wish."""
    running = crew(
        f"""
from pathlib import Path
from nanoportal.supervisor.wishes import Wishes
folder = Path({str(tmp_path)!r})
script = "echo pid $$; read word <" + str(folder / "told") + "; [ $word = end ] || exit 3"
os.mkfifo(folder / "told")
crew.listen(Wishes(folder))
crew.stand_by(Program("flash", ("sh", "-c", script), on_demand=True))
print("listening", flush=True)
until_stopped()
"""
    )
    running.line_with("listening")

    def tell(name: str, words: str) -> None:
        with open(tmp_path / name, "w") as pipe:
            pipe.write(words)

    tell("wishes", "other\nflash\n")
    first = running.pid_of("flash")
    tell("wishes", "flash\n")
    tell("told", "end\n")
    wait_for(lambda: not Path(f"/proc/{first}").exists(), 5, "its end")
    tell("wishes", "flash\n")
    second = running.pid_of("flash")
    assert second != first
    assert [line for line in running.said if "died" in line] == []
    tell("told", "die\n")
    assert "exit status 3" in running.line_with("died")
    assert running.pid_of("flash") not in (first, second)
