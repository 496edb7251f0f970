"""The whole portal as `make run` starts it: real processes on data directories of their own."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hardware.board import Board
from hardware.boardspec import load_board
from hardware.contracts import Level
from hardware.holds import HoldOwner, HoldStore
from nanoportal.env import load_env
from nanoportal.supervisor import programs
from tests.portal import MARKS, free_port, wait_for
from tests.simulated import PROJECT

CHILDREN = set(MARKS) - {"prepare", "flash"}  # those that always run


def clean_environment(**variables: str) -> dict[str, str]:
    """This process's environment without anything that the portal would heed."""
    heeded = ("NANOPORTAL_", "DATABASE_URL", "REDIS_URL", "DJANGO_")
    return {k: v for k, v in os.environ.items() if not k.startswith(heeded)} | variables


def state_of(pid: int) -> str:
    """The kernel's letter for a process's state, Z when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "Z"


class Supervisor:
    """A supervisor, what it has said, and the processes below it."""

    def __init__(self, data: Path, log: Path, **variables: str) -> None:
        self.data, self.port, self._log = data, free_port(), log
        own = {"NANOPORTAL_DATA": str(data), "NANOPORTAL_PORT": str(self.port)}
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "nanoportal.supervisor"],
                cwd=PROJECT,
                env=clean_environment(**own) | variables,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self._log.read_text()

    def wait_said(self, words: str, seconds: float = 20.0) -> str:
        wait_for(lambda: words in self.said() or self.process.poll() is not None, seconds, words)
        assert words in self.said(), self.said()
        return self.said()

    def wait_ready(self) -> "Supervisor":
        self.wait_said("Ctrl-C stops everything.")
        wait_for(lambda: set(self.children()) == CHILDREN, 10, "all children")
        return self

    def children(self) -> dict[str, int]:
        found = {}
        for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split():
            try:
                command = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
            except FileNotFoundError:
                continue
            found |= {name: int(pid) for name, mark in MARKS.items() if mark in command}
        return found

    def health(self) -> dict[str, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=2) as answer:
                return dict(json.load(answer)["components"])
        except OSError:
            return {}

    def end(self) -> None:
        """For fixtures: stop what still runs, however it stands."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(12)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    """One portal for all tests that leave it running."""
    folder = tmp_path_factory.mktemp("portal")
    supervisor = Supervisor(folder / "data", folder / "log", NANOPORTAL_TIME_SCALE="20")
    try:
        yield supervisor.wait_ready()
    finally:
        supervisor.end()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    started: list[Supervisor] = []

    def run(data: Path, **variables: str) -> Supervisor:
        started.append(Supervisor(data, tmp_path / f"log-{len(started)}", **variables))
        return started[-1]

    yield run
    for supervisor in started:
        supervisor.end()


def refusal(start: Callable[..., Supervisor], data: Path, **variables: str) -> str:
    """What a start that must fail says, without the lines of its children."""
    supervisor = start(data, **variables)
    assert supervisor.process.wait(20) == 2, supervisor.said()
    return "\n".join(line for line in supervisor.said().splitlines() if " | " not in line)


def press_line(data: Path, board_file: Path, slot: int, owner: HoldOwner) -> Board:
    """Leave a button pressed, with its record, as a worker does that dies in the middle of a press."""
    board = Board(load_board(board_file), data)
    hold = HoldStore(data / "holds").line(
        board.spec.slug, slot, board.line(slot), bus=board.spec.bus, expander=board.spec.expander, owner=owner
    )
    hold.begin(8.0, time.monotonic())
    board.expander.drive(board.line(slot), Level.LOW)
    assert board.expander.read(board.line(slot)) is Level.LOW
    return board


def test_the_first_start_prints_a_set_up_link_that_opens(portal: Supervisor) -> None:
    link = re.search(rf"http://127\.0\.0\.1:{portal.port}/setup/\S+/", portal.said())
    assert link
    with urllib.request.urlopen(link[0], timeout=5) as answer:
        assert answer.status == 200


def test_what_holds_keys_and_sockets_is_for_its_owner_only(portal: Supervisor) -> None:
    assert portal.data.stat().st_mode & 0o777 == 0o700


def test_a_second_start_on_the_same_data_is_refused_and_names_the_first(portal: Supervisor, start) -> None:
    said = refusal(start, portal.data)
    other = f"process {portal.process.pid} is another NanoPortal on the same data, {portal.data}"
    assert said == f"NanoPortal does not start: {other}; stop it first."
    assert portal.process.poll() is None


def test_an_anonymous_post_of_300_mb_costs_the_portals_web_server_under_20_mb(portal: Supervisor) -> None:
    proc = Path(f"/proc/{portal.children()['web']}")

    def peak() -> float:
        return int(re.search(r"VmHWM:\s+(\d+) kB", (proc / "status").read_text())[1]) / 1024

    (proc / "clear_refs").write_text("5")  # forget the peak so far
    before = peak()
    with socket.create_connection(("127.0.0.1", portal.port), timeout=20) as client:
        client.sendall(b"POST /login/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 300000000\r\n\r\n")
        for _ in range(300):
            client.sendall(bytes(10**6))
        answer = client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert peak() - before < 20


@pytest.mark.parametrize("name", sorted(CHILDREN))
def test_a_killed_child_is_restarted_and_said_so(portal: Supervisor, name: str) -> None:
    old = portal.children()[name]
    os.kill(old, signal.SIGKILL)
    consequence = " The simulated board has lost power." if name == "simulator" else ""
    portal.wait_said(f"{name} died (signal 9), restarting at once.{consequence}\n")
    wait_for(lambda: portal.children().get(name, old) != old, 10, f"a new {name}")
    wait_for(lambda: set(portal.health().values()) == {"ok"}, 20, "health")


def test_a_button_left_pressed_by_a_killed_worker_is_released_within_a_second(portal: Supervisor) -> None:
    wait_for(lambda: portal.health().get("hardware-worker") == "ok", 10, "the worker")
    lock, worker = portal.data / "worker-local.lock", portal.children()["worker"]
    board_file = portal.data / "boards" / "demo.toml"
    with Board(load_board(board_file), portal.data).lock.held():  # so that it does not stop with the bus in its hands
        os.kill(worker, signal.SIGSTOP)
        wait_for(lambda: state_of(worker) == "T", 2, "the worker to stand still")
    board = press_line(
        portal.data, board_file, 4, HoldOwner("local", json.loads(lock.read_text())["instance"], str(lock))
    )

    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: board.expander.read(board.line(4)) is Level.HIGH, 1.0, "the release")
    portal.wait_said("Released the button of slot 4 on demo")
    wait_for(lambda: portal.children().get("worker", worker) != worker, 10, "a new worker")
    said = portal.said()
    assert said.index("Released the button of slot 4") < said.rindex("worker died (signal 9)"), "the release is first"
    wait_for(lambda: not (portal.data / "holds" / "demo-4.json").exists(), 1, "the record's end")


def test_ctrl_c_stops_everything_within_ten_seconds_even_below_a_very_long_path(tmp_path: Path, start) -> None:
    data = tmp_path / ("d" * 100)
    supervisor = start(data).wait_ready()
    assert Path((data / "broker.sock.path").read_text().strip()).is_socket()
    wait_for(lambda: set(supervisor.health().values()) == {"ok"}, 20, "health")
    children = supervisor.children()

    asked = time.monotonic()
    supervisor.process.send_signal(signal.SIGINT)
    assert supervisor.process.wait(12) == 0
    assert time.monotonic() - asked < 10
    assert [name for name, pid in children.items() if state_of(pid) != "Z"] == []
    said = supervisor.said()
    assert said.splitlines()[-1] == "Stopped."
    for misfortune in ("died", "was killed", "Traceback"):
        assert misfortune not in said


def test_a_killed_supervisor_takes_its_children_along_and_the_next_start_is_an_ordinary_one(tmp_path: Path, start):
    first = start(tmp_path / "data").wait_ready()
    children = first.children()
    first.process.kill()
    for name, pid in children.items():
        wait_for(lambda pid=pid: state_of(pid) == "Z", 10, f"the end of {name}")
    start(tmp_path / "data").wait_ready()


@pytest.mark.parametrize(
    ("obstacle", "complaint"),
    [
        ({"DATABASE_URL": "postgres:///x?host=/nowhere&user=x", "REDIS_URL": "unix:///nowhere"}, "the database could"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL begins with"),
    ],
    ids=["neither database nor broker", "bad configuration"],
)
def test_a_left_over_press_is_released_whatever_else_is_broken(tmp_path: Path, start, obstacle, complaint) -> None:
    command = [sys.executable, "-m", "hardware.simulator", "--data", str(tmp_path / "elsewhere"), "--board", "lab"]
    simulator = subprocess.Popen(command, cwd=PROJECT, env=clean_environment(), stdout=subprocess.PIPE)
    try:
        assert simulator.stdout is not None
        bus = json.loads(simulator.stdout.readline())["i2c"]
        files, data = tmp_path / "boards", tmp_path / "data"
        files.mkdir()
        (files / "lab.toml").write_text(f'simulated = true\n[i2c]\nbus = "{bus}"\nexpander = "0x18"\n')
        dead = HoldOwner("local", "gone", str(data / "worker-local.lock"))
        board = press_line(data, files / "lab.toml", 3, dead)

        said = refusal(start, data, NANOPORTAL_BOARDS=str(files), **obstacle)
        assert "Released the button of slot 3 on lab, left pressed by a process that died." in said
        assert said.splitlines()[-1].startswith(f"NanoPortal does not start: {complaint}")
        assert board.expander.read(3) is Level.HIGH
    finally:
        simulator.terminate()
        simulator.wait(5)


def test_a_broken_board_file_stops_the_start_naming_file_and_key(tmp_path: Path, start) -> None:
    (tmp_path / "lab.toml").write_text('[i2c]\nbus = "/dev/i2c-1"\nexpander = "pca"\n')
    supervisor = start(tmp_path / "data", NANOPORTAL_BOARDS=str(tmp_path))
    assert supervisor.process.wait(20) == 2
    assert "lab.toml" in supervisor.said()
    assert "i2c.expander" in supervisor.said()
    assert "Traceback" not in supervisor.said()


@pytest.mark.parametrize(
    ("variables", "sentence"),
    [
        ({"NANOPORTAL_PROT": "80"}, "NANOPORTAL_PROT is not a variable of NanoPortal"),
        ({"NANOPORTAL_PORT": "eighty"}, "NANOPORTAL_PORT is 'eighty'; it takes a port number"),
        ({"NANOPORTAL_BOARDS": "/nowhere"}, "NANOPORTAL_BOARDS names /nowhere, which is not a directory."),
        ({"NANOPORTAL_BOARDS": "/proc/self"}, "which holds no board file (*.toml)."),
        ({"NANOPORTAL_SIM_PEERS": "1=linux"}, "NANOPORTAL_SIM_PEERS holds '1=linux'; it takes slots 2 to 7"),
        ({"NANOPORTAL_IMAGE_QUOTA": "24 GB"}, "NANOPORTAL_IMAGE_QUOTA is '24 GB'; it takes a number of bytes"),
        ({"NANOPORTAL_SWITCH_SCAN": "never"}, "NANOPORTAL_SWITCH_SCAN is 'never'; it takes 'auto' or 'asked'."),
        ({"NANOPORTAL_BIND": "192.0.2.1"}, "on 192.0.2.1 cannot be opened"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL begins with 'mysql'"),
    ],
)
def test_what_cannot_work_stops_the_start_with_one_sentence(tmp_path: Path, start, variables, sentence: str) -> None:
    said = refusal(start, tmp_path / "data", **variables)
    assert said.startswith("NanoPortal does not start: ")
    assert sentence in said
    assert len(said.splitlines()) == 1


def test_real_systems_behind_the_simulated_board_are_named_in_the_environment(tmp_path: Path) -> None:
    env = load_env({"NANOPORTAL_DATA": str(tmp_path), "NANOPORTAL_SIM_PEERS": "3=u-boot, 2=linux"})
    command = " ".join(programs.simulator(env, lambda answer: None).command)
    assert command.endswith("--board demo --peer 3=u-boot --peer 2=linux")


def test_quota_and_import_directory_of_the_images_are_named_in_the_environment(tmp_path: Path) -> None:
    plain = load_env({"NANOPORTAL_DATA": str(tmp_path)})
    assert (plain.image_quota_bytes, plain.import_dir) == (None, tmp_path / "import")
    for text, size in (("1000", 1000), ("512M", 512 << 20), ("24G", 24 << 30)):
        assert load_env({"NANOPORTAL_IMAGE_QUOTA": text}).image_quota_bytes == size
    assert load_env({"NANOPORTAL_IMPORT": "/srv/images"}).import_dir == Path("/srv/images")


def test_a_port_in_use_stops_the_start_before_anything_else_has_started(tmp_path: Path, start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refusal(start, tmp_path / "data", NANOPORTAL_PORT=port)
    assert f"port {port} on 127.0.0.1 cannot be opened (Address already in use)" in said
    assert not (tmp_path / "data" / "sim").exists()
