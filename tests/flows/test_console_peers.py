"""A real boot loader and a real Linux, which nobody here wrote, used over the browser's own WebSocket protocol.

What Linux says at first is said at night: recorded with nobody watching, found by a search, and downloaded.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.console import Console
from tests.consoles.test_export import check_cast, output
from tests.flows.scene import Scene
from tests.portal import wait_for
from tests.simulated import SimulatedBoard

LINUX, U_BOOT = 2, 5
API = "/api/v1/boards/demo"
INIT = "Run /init as init process"
PROMPT = "root@peer:~# "
CURSOR_ASKED, DEVICE_ASKED = b"\x1b[6n", b"\x1b[c"
VT220 = b"\x1b[?62;1;6c"  # what a terminal of that kind says of itself

pytestmark = pytest.mark.qemu


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    folder = tmp_path_factory.mktemp("peers")
    board = SimulatedBoard(folder / "board", scale=10.0, peers={LINUX: "linux", U_BOOT: "u-boot"})
    scene = Scene(folder, board=board)
    try:
        scene.start()
        yield scene
    finally:
        scene.close()


def switch_off(scene: Scene) -> None:
    """End the boot loader: at its prompt it takes a whole processor."""
    scene.do(U_BOOT, "ForceOff", accept_stranding=True)


@pytest.fixture
def boot_loader(scene: Scene) -> Iterator[Console]:
    """The keyboard of a boot loader at its prompt, whose countdown was interrupted."""
    with Console(scene.client, U_BOOT) as console:
        console.skip_history()
        console.take()
        scene.do(U_BOOT, "On")
        console.until("Hit any key to stop autoboot")
        console.type("\r")
        console.until("\n=> ")
        yield console
    switch_off(scene)


@pytest.fixture(scope="module")
def booted(scene: Scene) -> None:
    """A real Linux has booted in slot 2, and nobody watched."""
    scene.do(LINUX, "On")
    wait_for(lambda: "login prompt seen; boot took" in evidence(scene), 60, "a login prompt as evidence")


@pytest.fixture(scope="module")
def linux(scene: Scene, booted: None) -> Iterator[Console]:
    """A shell on that Linux, logged in."""
    with Console(scene.client, LINUX) as console:
        console.take()
        console.until("Booting Linux on physical CPU")
        console.until("peer login: ")
        console.type("root\r")
        console.until("Password: ")
        time.sleep(0.3)  # (busybox asks first and switches the echo off after that)
        console.type("nanoportal\r")
        assert b"nanoportal\r\n" not in console.until(PROMPT), "a password is not shown"
        yield console


def run(console: Console, command: str, prompt: str = PROMPT) -> str:
    """What a command printed."""
    console.type(f"{command}\r")
    console.until(f"{command}\r\n")
    return console.until(prompt).decode(errors="replace").removesuffix(prompt)


def get(scene: Scene, path: str) -> Any:
    answer = scene.client.get(f"{API}{path}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def evidence(scene: Scene) -> str:
    found = [row["value"] for row in get(scene, f"/slots/{LINUX}")["power"]["evidence"] if row["kind"] == "stage"]
    return found[0] if found else ""


def said(scene: Scene) -> str:
    return scene.client.get(f"{API}/slots/{LINUX}/recordings/download").text


def test_a_boot_that_nobody_watched_is_evidence_found_by_a_search_and_replayed(scene: Scene, booted: None) -> None:
    assert evidence(scene) in scene.client.get(f"/boards/demo/slots/{LINUX}/").text
    assert "Login prompt seen" in scene.client.get(f"/boards/demo/slots/{LINUX}/history/").text

    recording = get(scene, f"/slots/{LINUX}/recordings")
    assert [marker["detail"]["stage"] for marker in recording["markers"]] == ["kernel", "login"]
    (hit,) = get(scene, "/recordings/search?q=BOOTING linux on physical")["hits"]
    assert hit["slot"] == LINUX
    replayed = get(scene, f"/slots/{LINUX}/recordings/data?from={hit['at']}".replace("+", "%2B"))
    assert replayed["records"]

    text = said(scene)
    events = check_cast(scene.client.get(f"{API}/slots/{LINUX}/recordings/download?format=cast").content)
    assert f"{INIT}\n" in text
    assert output(events).replace("\r\n", "\n").startswith("[    0.000000] Booting Linux on physical CPU")
    assert events[-1][0] > 0.5, "with its real timing"


def test_a_boot_loader_is_interrupted_asked_and_reset(boot_loader: Console) -> None:
    console = boot_loader
    assert "U-Boot 20" in run(console, "version", "=> ")
    assert "DRAM bank" in run(console, "bdinfo", "=> ")
    assert "bootdelay=" in run(console, "printenv", "=> ")
    console.type("reset\r")
    console.until("resetting ...")
    console.until("Hit any key to stop autoboot")
    console.type("\r")
    console.until("\n=> ")
    assert not [message for message in console.messages if message["type"] in ("gap", "refused")]


def test_somebody_who_comes_later_reads_what_the_boot_loader_said_before(scene: Scene, boot_loader: Console) -> None:
    with Console(scene.client, U_BOOT) as late:
        late.until("U-Boot 20")
        late.until("\n=> ")
        assert boot_loader.bytes in late.bytes or late.bytes in boot_loader.bytes


def test_a_slot_that_is_switched_off_falls_silent_and_boots_anew(scene: Scene, boot_loader: Console) -> None:
    switch_off(scene)
    boot_loader.type("version\r")
    scene.wait(lambda: scene.board("state")["slots"][str(U_BOOT)]["peer"]["pid"] is None, "the process to be gone")
    scene.do(U_BOOT, "On")
    said = boot_loader.until("Hit any key to stop autoboot")
    assert said.count(b"U-Boot 20") == 1


def test_one_logs_in_and_reads_the_kernels_log_and_the_lines_settings(linux: Console) -> None:
    assert "Linux version" in run(linux, "dmesg | head -20")
    assert "speed 115200 baud" in run(linux, "stty -a")


def test_the_whole_kernel_log_comes_through_unharmed(linux: Console) -> None:
    run(linux, "dmesg > /tmp/log")
    size = int(run(linux, "wc -c < /tmp/log"))
    checksum = run(linux, "md5sum < /tmp/log").split()[0]
    shown = run(linux, "cat /tmp/log").replace("\r\n", "\n").encode()
    from hashlib import md5

    assert len(shown) == size
    assert md5(shown, usedforsecurity=False).hexdigest() == checksum


def test_resize_asks_the_terminal_for_its_size_and_believes_it(linux: Console) -> None:
    for rows, columns in ((40, 132), (24, 80)):
        linux.type("resize\r")
        linux.until(DEVICE_ASKED)
        linux.type(VT220)
        linux.until(CURSOR_ASKED)
        linux.type(f"\x1b[{rows};{columns}R")
        linux.until(PROMPT)
        assert run(linux, "stty size").strip() == f"{rows} {columns}"


def test_a_full_screen_editor_is_drawn_used_and_left(linux: Console) -> None:
    run(linux, "stty rows 24 cols 80")
    linux.type("vi /tmp/poem\r")
    linux.until("/tmp/poem")  # the status line, at the bottom of the screen
    linux.type("iover the wire\x1b")
    linux.until("over the wire")
    linux.type(":wq\r")
    linux.until(PROMPT)
    assert run(linux, "cat /tmp/poem") == "over the wire\r\n"


def test_a_program_that_redraws_its_screen_is_left_by_ctrl_c(linux: Console) -> None:
    linux.type("top -d 1\r")
    linux.until("Load average:")
    linux.until("Load average:")
    linux.type("\x03")
    linux.until(PROMPT)


def test_a_sysrq_key_reaches_the_kernel(linux: Console) -> None:
    linux.say("sysrq", key="h")
    linux.until("sysrq: HELP")
    kinds = [message["kind"] for message in linux.messages if message["type"] == "marker"]
    assert kinds.count("sysrq") == 1


def test_the_next_visitor_finds_the_whole_boot_in_the_journal(scene: Scene, linux: Console) -> None:
    with Console(scene.client, LINUX) as late:
        late.until("Booting Linux on physical CPU")
        late.until("peer login: ")


def test_a_daemon_that_is_killed_leaves_the_recording_whole_and_the_next_goes_on(scene: Scene, booted: None) -> None:
    before = said(scene)
    scene.kill("consoled")
    scene.wait_healed("consoled")
    scene.do(LINUX, "ForceRestart")
    wait_for(lambda: said(scene).count(INIT) > before.count(INIT), 60, "another boot in the recording")
    assert said(scene).startswith(before.rstrip("\n"))
