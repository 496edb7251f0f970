"""The command line as people and scripts use it, against a whole portal with a simulated board."""

import json
import random
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nanoportal_client import uploading
from nanoportal_client.access import Access
from nanoportal_client.portal import Portal as Requests
from nanoportal_client.problems import Exit
from tests.client.rig import Ended, Relay, Remote, Sitting, environment, run
from tests.portal import Portal, wait_for
from tests.prepared import PEOPLE

CM4 = 2
API = "/api/v1"
SCOPES = ("read", "power", "console", "flash", "switch", "reserve")


@pytest.fixture(scope="module")
def portal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Portal]:
    """With alice (administrator), olga (flasher), nora (network engineer) and vera (viewer)."""
    running = Portal(tmp_path_factory.mktemp("portal"), people=PEOPLE)
    try:
        yield running.start()
    finally:
        running.close()


@pytest.fixture(scope="module")
def tokens(portal: Portal) -> dict[str, str]:
    """A token of each, made as they make it themselves: right after they have signed in."""
    body, names = {"name": "script", "scopes": SCOPES}, ("alice", "olga", "nora", "vera")
    return {name: portal.session_of(name).post(f"{API}/tokens", body).json()["token"] for name in names}


@pytest.fixture(scope="module")
def booted(portal: Portal, tokens: dict[str, str]) -> None:
    """Slot 2 was switched on from a script, and asks for a log-in."""
    ended = Remote(environment(portal.url, tokens["olga"]))("power", "on", "2", "--wait", "-r", "nightly", "--json")
    assert ended.code == Exit.DONE, ended.err
    assert (ended.json[0]["state"], ended.json[0]["reason"]) == ("succeeded", "nightly")
    assert portal.board.power(CM4) == "On"
    wait_for(lambda: slot(portal)["boot"] == "login", 20, "the boot")


@pytest.fixture
def command(portal: Portal, tokens: dict[str, str]) -> Callable[..., Ended]:
    """`command("slots", who="olga")`."""
    return lambda *words, who="olga": Remote(environment(portal.url, tokens[who]))(*words)


@pytest.fixture
def pipe(portal: Portal, tokens: dict[str, str]) -> Callable[..., Ended]:
    """`pipe("console", "2", who="olga", typed=b"ls")`: with its input and output in pipes."""
    return lambda *words, who="olga", typed=b"": Remote(environment(portal.url, tokens[who]))(*words, typed=typed)


@pytest.fixture
def sit(portal: Portal, tokens: dict[str, str], tmp_path: Path) -> Callable[..., Sitting]:
    """`with sit("console", "2", who="olga") as olga`: with somebody at the keyboard."""
    return lambda *words, who="olga", **more: Sitting(tmp_path, environment(portal.url, tokens[who]), *words, **more)


pytestmark = pytest.mark.usefixtures("booted")


def slot(portal: Portal) -> dict[str, Any]:
    """What slot 2 really does."""
    return dict(portal.board.slot(CM4))


# Consoles


def logged_in(sitting: Sitting, name: str) -> None:
    """From wherever the shell is to its prompt. What was typed is echoed, which shows that it arrived."""
    sitting.until("You have the keyboard")
    sitting.type(b"exit\rroot\rsecret\r")
    sitting.type(f"echo hello {name}\r".encode())
    sitting.until(f"\nhello {name}")


def test_piped_input_is_typed_and_what_comes_of_it_is_piped_on(portal, tokens) -> None:
    typed = b"exit\rroot\rsecret\recho $((6*7)) pipes\rexit\r"
    ended = run(environment(portal.url, tokens["olga"]), "console", "2", "--linger", "0.5", typed=typed)
    assert ended.code == Exit.DONE, ended.err
    assert "\n$((6*7)) pipes\r\n" in ended.out
    assert ended.err == ""


def test_somebody_types_and_a_console_goes_on_where_a_lost_connection_broke_it(portal, tokens, pipe, tmp_path) -> None:
    with Relay(portal.port) as way, Sitting(tmp_path, environment(way.url, tokens["olga"]), "console", "2") as olga:
        logged_in(olga, "olga")
        assert "login:" in olga.out.decode(), "what was said before is shown"
        said = slot(portal)["uart"]["sent"]
        olga.type(b"reboot\r")
        olga.until("reboot")
        way.cut()
        olga.until("The connection is lost")
        wait_for(lambda: slot(portal)["uart"]["sent"] > said + 300, 30, "words that olga misses")
        way.mend()
        olga.until("Connected again.")
        olga.until("login:")
        logged_in(olga, "again")
        olga.type(b"\x1dq")
        assert olga.ended() == Exit.DONE

    def whole() -> str:
        return pipe("console", "2", "--read-only", "--all", "--for", "0.5", who="vera").out

    wait_for(lambda: whole().endswith(olga.out.decode()[-2000:]), 30, "every byte once and in order")
    assert whole().count("Booting Linux") >= 2


def test_the_keyboard_is_asked_for_refused_and_taken_over(pipe, sit) -> None:
    with sit("console", "2") as olga:
        logged_in(olga, "olga")
        refused = pipe("console", "2", typed=b"rm -rf /\r", who="alice")
        assert (refused.code, refused.err) == (Exit.REFUSED, "Error: olga has the keyboard.\n")

        words = ["console", "2", "--take-over", "the fan is loud", "--linger", "0.3"]
        assert pipe(*words, typed=b"echo mine now\r", who="alice").code == Exit.DONE
        olga.until("alice took the keyboard over from olga: the fan is loud")
        olga.until("alice has the keyboard now.")
        olga.until("mine now")
        olga.type(b"not for the line\r\x1dt")
        olga.until("You have the keyboard")
        olga.type(b"\x1dw")
        olga.until("olga (types)")
        olga.type(b"\x1dq")
        assert olga.ended() == Exit.DONE
        assert b"not for the line" not in olga.out


def test_a_viewer_watches_and_reads_why_they_may_not_type(pipe, sit) -> None:
    with sit("console", "2", who="vera") as vera:
        vera.until("You may watch, but not type.")
        vera.type(b"halt\r\x1dq")
        assert vera.ended() == Exit.DONE
    piped = pipe("console", "2", typed=b"halt\r", who="vera")
    assert piped.code == Exit.NOT_PERMITTED
    assert "halt" not in vera.out.decode() + piped.out


def test_read_only_types_nothing_not_even_by_accident(sit) -> None:
    with sit("console", "2", "--read-only", who="alice") as alice:
        alice.until("login:")
        alice.type(b"halt\r\x1dt")
        alice.until("read-only")
        alice.type(b"halt\r\x1dw")
        alice.until("alice (watches)")
        alice.type(b"\x03")
        assert alice.ended() == Exit.INTERRUPTED, "which reaches no line here, so it leaves"
        assert b"halt" not in alice.out
        assert "You have the keyboard" not in alice.err


def test_a_token_that_is_revoked_ends_an_open_console(portal, sit) -> None:
    client = portal.session_of("nora")
    made = client.post(f"{API}/tokens", {"name": "short", "scopes": ["console"]}).json()
    own = environment(portal.url, made["token"])
    with Sitting(portal.data, own, "console", "2") as nora:
        nora.until("You have the keyboard")
        answer = client.http.delete(f"{API}/tokens/{made['prefix']}", headers={"X-CSRFToken": client.csrf()})
        assert answer.status_code == 204
        assert nora.ended() == Exit.NOT_PERMITTED
    assert Remote(own)("boards").code == Exit.NOT_PERMITTED


@pytest.mark.parametrize(
    ("words", "code"), [(["console", "1"], Exit.NOT_THERE), (["console", "nowhere/3"], Exit.NOT_THERE)]
)
def test_a_console_that_is_not_there(pipe, words: list[str], code: Exit) -> None:
    assert pipe(*words).code == code


# Images and flashing


def noise(path: Path, size: int) -> Path:
    path.write_bytes(random.Random(path.name).randbytes(size))
    return path


@pytest.fixture(scope="module")
def image(portal: Portal, tokens: dict[str, str], tmp_path_factory) -> dict[str, Any]:
    """An image that was half sent when something broke, and then by the command."""
    file = noise(tmp_path_factory.mktemp("images") / "lab.img", 2_500_000)
    requests = Requests(Access(portal.url, tokens["olga"]))
    measured = uploading.measure(file, lambda count: None)
    begun = uploading.begin(requests, measured)
    with pytest.MonkeyPatch.context() as patch, open(file, "rb") as stream:
        patch.setattr(uploading, "CHUNK_BYTES", 1_000_000)
        assert uploading._send_chunk(requests, begun, stream, 0) == 1_000_000
    ended = Remote(environment(portal.url, tokens["olga"]))("images", "upload", str(file), "--json")
    assert ended.code == Exit.DONE, ended.err
    assert f"Going on with upload {begun}." in ended.err
    assert (ended.json["id"], ended.json["sha256"]) == (begun, measured.sha256)
    assert ended.json["sha256_compared"]
    return dict(ended.json)


def test_an_upload_goes_on_and_what_the_library_has_is_not_sent_again(command, image, tmp_path) -> None:
    same = tmp_path / "copy.img"
    same.write_bytes(noise(tmp_path / "lab.img", image["size_bytes"]).read_bytes())
    ended = command("images", "upload", str(same), "--json")
    assert (ended.code, ended.problem["code"]) == (Exit.REFUSED, "known-image")
    wrong = command("images", "upload", str(same), "--sha256", "0" * 64)
    assert wrong.code == Exit.REFUSED
    assert "it is another file, or a damaged one" in wrong.err
    listed = command("images", "list", who="vera")
    assert re.search(rf"{image['id'][:8]}  lab", listed.out)


def test_a_flash_of_another_som_than_the_one_that_is_meant_is_not_asked_for(command, sit, image) -> None:
    words = ["flash", "2", image["id"], "--method", "rpiboot", "--medium", "eMMC"]
    nobody = command(*words)
    assert nobody.code == Exit.USAGE
    assert "give its name with --target" in nobody.err
    wrong = command(*words, "--target", "kestrel", "--json")
    assert (wrong.code, wrong.problem["code"]) == (Exit.USAGE, "not-confirmed")
    with sit(*words, screen=True) as olga:
        olga.until("Type 'heron'")
        olga.type(b"kestrel\r")
        olga.until("nothing was asked for")
        assert olga.ended() == Exit.USAGE
    assert json.loads(command("operations", "--open", "--json").out) == []


def test_a_slot_is_flashed_after_its_name_was_typed_and_boot_was_held(portal, command, sit, image) -> None:
    board = portal.board
    with sit("flash", "2", image["id"][:8], "--method", "rpiboot", "--medium", "eMMC", screen=True) as olga:
        olga.until("Type 'heron' if that is meant")
        assert b"Everything on its eMMC is overwritten" in olga.out
        olga.type(b"heron\r")
        olga.until("Press Enter while you hold BOOT")
        board.ctl("usb", CM4, "plug")
        board.ctl("boot-button", CM4, "hold")
        olga.type(b"\r")
        wait_for(lambda: slot(portal)["usb"]["device"], 30, "the boot ROM")
        board.ctl("boot-button", CM4, "release")
        assert olga.ended(60) == Exit.DONE
        assert b"Writing" in olga.out
    disk = next((board.directory / "disks").glob(f"slot-{CM4}-emmc*"))
    with open(disk, "rb") as stream:
        held = uploading.hashlib.sha256(stream.read(image["size_bytes"])).hexdigest()
    assert held == image["sha256"]
    board.ctl("usb", CM4, "unplug")


# The switch


def start_closed(portal: Portal) -> None:
    """Closing 4,096 entries takes its time and is tried elsewhere: from a table that is closed."""
    for port in (6, 5, 8):
        portal.board.ctl("link", port, 1000)
    portal.board.ctl("assume", "table-reset", "closed")
    portal.board.ctl("fault", "switch-resets", 0, 1)
    portal.session_of("nora").get(f"{API}/boards/demo/switch/ports")  # any look at the chip sets it off
    wait_for(lambda: portal.board.ctl("state")["links"]["8"] == 1000, 20, "the switch to be up again")


HOME = """\
management_vid: 1
vlans:
  - {vid: 1, name: management, untagged: [1, 4, 5, 6, 7, uplink]}
  - {vid: 10, name: lab, untagged: [2, 3]}
"""


def first_revision(portal: Portal) -> None:
    """What only a person who signed in lately may do: take on that the first change touches management."""
    alice = portal.session_of("alice")
    plan = alice.post(f"{API}/boards/demo/switch/plan").json()
    wish = {"fingerprint": plan["fingerprint"], "overrides": [one["code"] for one in plan["unsafe"]]}
    change = alice.post(f"{API}/boards/demo/switch/commit", wish).json()
    state = f"{API}/boards/demo/switch/changes/{change['number']}"
    wait_for(lambda: alice.get(state).json()["state"] == "awaiting", 60, "the change")
    assert alice.post(f"{API}/boards/demo/switch/confirm").status_code == 200


@pytest.mark.soak  # the switch is read as a whole, which takes as long as everything else here
def test_vlans_are_planned_committed_confirmed_and_reverted(portal, command, tmp_path) -> None:
    def nora(*words: str, **more: Any) -> Ended:
        return command("vlan", *words, who="nora", **more)

    start_closed(portal)
    assert nora("scan").code == Exit.DONE
    file = tmp_path / "board.yaml"
    file.write_text(HOME)
    assert nora("import", str(file)).code == Exit.DONE
    unsafe = nora("commit", "--yes", "--json")
    assert (unsafe.code, unsafe.problem["code"]) == (Exit.REFUSED, "unsafe-plan")
    first_revision(portal)

    file.write_text(nora("export").out.replace("lab", "build"))
    assert "build" in nora("import", str(file)).out
    plan = nora("plan", "--json").json
    stale = nora("commit", "--fingerprint", "0" * 8, "--json")
    assert (stale.code, stale.problem["code"]) == (Exit.REFUSED, "plan-stale")
    waiting = nora("commit", "--fingerprint", plan["fingerprint"], "--json")
    assert (waiting.code, waiting.json["state"]) == (Exit.DONE, "awaiting"), waiting.err
    assert nora("extend", "--by", "3m").code == Exit.DONE
    assert "is rolled back" in nora("revert").out
    assert nora("commit", "--yes", "--keep").out.startswith("Kept as revision 2.")
    assert "build" in nora("show").out
    gone = nora("confirm", "--json")
    assert (gone.code, gone.problem["code"]) == (Exit.REFUSED, "no-change")
