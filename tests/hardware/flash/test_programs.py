"""Outside programs: what they print, how long they may take, and that none of them is left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hardware.clock import SystemClock
from hardware.errors import Stopped
from hardware.flash import programs
from hardware.program_errors import ProgramFailed, ProgramMissing, ProgramTimeout

PACKAGE = "the package nothing"
CLOCK = SystemClock(scale=1)


def run(script: str, *, seconds: float = 20, **options: object) -> tuple[str, ...]:
    words = ["sh", "-c", script, "sh", "a b", "$(id)"]
    return programs.run(words, PACKAGE, CLOCK, timeout_seconds=seconds, **options)  # type: ignore[arg-type]


def await_that(holds: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_lines_of_both_outputs_come_as_they_are_printed() -> None:
    told: list[str] = []
    assert run("echo one; echo two >&2; printf three", on_line=told.append) == ("one", "two", "three")
    assert told == ["one", "two", "three"]


def test_a_line_is_told_while_the_program_still_runs(tmp_path: Path) -> None:
    go_on = tmp_path / "go-on"
    script = f"echo waiting; while ! [ -e {go_on} ]; do sleep 0.05; done; echo done"
    assert run(script, on_line=lambda line: go_on.touch()) == ("waiting", "done")


def test_arguments_reach_the_program_as_they_are_through_no_shell() -> None:
    assert run('printf "%s\\n" "$@"') == ("a b", "$(id)")


def test_a_program_reads_nothing_from_our_input() -> None:
    ours, (silent, talker) = os.dup(0), os.pipe()
    os.dup2(silent, 0)
    try:
        assert run("cat; echo end", seconds=5) == ("end",)
    finally:
        os.dup2(ours, 0)
        for file in (ours, silent, talker):
            os.close(file)


def test_control_characters_and_endless_lines_do_not_reach_the_log() -> None:
    lines = run(r"printf '\033[31mred\007\n'; printf '10%%\r20%%\r'; head -c 5000 /dev/zero | tr '\0' x; echo")
    assert lines[:3] == ("[31mred", "10%", "20%")
    assert all(len(line) <= programs.LINE_CHARACTERS for line in lines)


def test_only_the_last_lines_are_kept() -> None:
    told: list[str] = []
    kept = run("seq 1 100000", on_line=told.append)
    assert (len(told), len(kept), kept[-1]) == (100000, programs.TAIL_LINES, "100000")


def test_a_missing_program_is_one_sentence_with_its_package() -> None:
    with pytest.raises(ProgramMissing) as caught:
        programs.run(["rpiboot-which-is-nowhere"], PACKAGE, CLOCK, timeout_seconds=1)
    assert str(caught.value) == (
        "The program rpiboot-which-is-nowhere is not installed on this machine; it comes with the package nothing."
    )


def test_a_failure_says_its_status_and_the_last_line() -> None:
    with pytest.raises(ProgramFailed) as caught:
        run("echo it burns.; exit 3")
    assert str(caught.value) == "The program sh ended with status 3: it burns."
    with pytest.raises(ProgramFailed, match=r"^The program sh was ended by signal 9: it said nothing\.$"):
        run("kill -9 $$")
    with pytest.raises(ProgramFailed, match="status 3: no permission"):
        run("exit 3", explain=lambda lines: "no permission")


def test_a_program_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    began = time.monotonic()
    with pytest.raises(ProgramTimeout, match=r'not done within 0\.5 s; the last it said was "waiting"'):
        run(f"echo $$ > {pids}; sleep 60 & echo $! >> {pids}; echo waiting; wait", seconds=0.5)
    assert time.monotonic() - began < 5
    leader, child = map(int, pids.read_text().split())
    assert not is_alive(leader)
    await_that(lambda: not is_alive(child))  # its parent is gone: init has yet to collect it


def test_a_program_that_ignores_being_asked_is_ended_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "END_SECONDS", 1.0)
    began = time.monotonic()
    with pytest.raises(ProgramTimeout):
        run("trap '' TERM; echo deaf; while :; do sleep 0.1; done", seconds=0.5)
    assert programs.END_SECONDS < time.monotonic() - began < programs.END_SECONDS + 5


@pytest.mark.parametrize("how", ["sleep 60", "(trap '' TERM; while :; do sleep 0.1; done)"])
def test_what_a_finished_program_left_running_is_ended_and_holds_nobody_up(tmp_path: Path, how: str) -> None:
    pid = tmp_path / "pid"
    began = time.monotonic()
    assert run(f"{how} & echo $! > {pid}; echo done") == ("done",)
    assert time.monotonic() - began < 5
    await_that(lambda: not is_alive(int(pid.read_text())))


def test_a_stop_ends_it_within_a_second() -> None:
    stop = threading.Event()
    began = time.monotonic()
    with pytest.raises(Stopped, match="sh was stopped"):
        run("echo here; sleep 60", stop=stop, on_line=lambda line: stop.set())
    assert time.monotonic() - began < 1 + programs.END_SECONDS / 4


def test_an_error_of_whoever_listens_ends_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    def fail(line: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(f"echo $$ > {pid}; echo one; sleep 60", on_line=fail)
    assert not is_alive(int(pid.read_text()))


def test_a_program_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    script = f"""
        from hardware.clock import SystemClock
        from hardware.flash import programs
        programs.run(["sh", "-c", "echo $$ > {pid}; exec sleep 60"], "x", SystemClock(1), timeout_seconds=60)
    """
    worker = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)])
    try:
        await_that(lambda: pid.exists() and pid.read_text() != "")
        program = int(pid.read_text())
        assert is_alive(program)
    finally:
        os.kill(worker.pid, signal.SIGKILL)
        worker.wait()
    await_that(lambda: not is_alive(program))
