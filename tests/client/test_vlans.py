"""The switch from the command line: a file, a plan, a commit that is kept or undone. The switch is simulated in this
process, and the worker works where the command looks how far it is."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import yaml

from nanoportal_client.problems import Exit
from operations.models import Operation
from switch.models import VlanChange
from tests.client.rig import CommandLine
from tests.switch import rig
from tests.switch.conftest import home, me, switch  # noqa: F401
from tests.switch.rig import State


@pytest.fixture
def board(db, data_dir):
    """The demo board's rows; its file names a switch that nobody answers for."""
    from slots.services import catalogue

    lines = ["simulated = true", "[i2c]", 'bus = "sim:/nowhere/i2c.sock"', 'expander = "0x18"']
    lines += ["[switch]", 'bus = "sim:/nowhere/i2c.sock"']
    (data_dir / "boards" / "demo.toml").write_text("\n".join(lines))
    return catalogue.sync_boards()[0]


@pytest.fixture
def nora(as_, home) -> CommandLine:  # noqa: F811
    return as_("nora", "network-engineer")


@pytest.fixture
def lab(nora: CommandLine, tmp_path: Path) -> Path:
    """The setup with slot 3 moved from management to the red VLAN, as a file and as the draft."""
    file = tmp_path / "board.yaml"
    table = yaml.safe_load(nora("vlan", "export").out)
    management, red = table["vlans"]
    management["untagged"], red["untagged"] = [1, 2, "uplink"], [3, 4, 5]
    file.write_text(yaml.safe_dump({name: table[name] for name in ("management_vid", "vlans")}))
    ended = nora("vlan", "import", str(file), "--json")
    assert ended.code == Exit.DONE, ended.err
    assert ended.json["vlans"][1]["untagged"] == [3, 4, 5]
    return file


def looks(line: CommandLine, do: Callable[[], None]) -> None:
    """Let `do` happen just before the command first looks how far the change is."""

    def look(request: httpx.Request) -> None:
        if request.method == "GET" and "/switch/changes/" in request.url.path:
            line.network.before = lambda request: None
            do()

    line.network.before = look


def becomes(state: State) -> None:
    """What the worker would write."""
    VlanChange.objects.update(state=state)


def test_a_plan_says_what_a_commit_does_and_a_commit_does_just_that(home, nora, lab) -> None:  # noqa: F811
    plan = nora("vlan", "plan", "--json").json
    assert plan["words"] == ["slot 3: PVID 1 -> 10, untagged in 10"]
    said: list[str] = []

    def work() -> None:
        change = VlanChange.objects.get()
        rig.when_awaiting(home, change, lambda: said.append(nora("vlan", "show").out))
        rig.when_awaiting(home, change, lambda: said.append(nora("vlan", "confirm").out), seconds=8)
        rig.run(change)

    looks(nora, work)
    ended = nora("vlan", "commit", "--fingerprint", plan["fingerprint"], "-r", "move slot 3")
    assert (ended.code, ended.out) == (Exit.DONE, "Change 1 is kept.\n")
    assert "Change 1 waits to be confirmed. It undoes itself at " in said[0]
    assert said[1] == "Kept as revision 2.\n"
    shown = nora("vlan", "show").out
    assert "10   red         3, 4, 5" in shown
    assert Operation.objects.get().reason == "move slot 3"


def test_a_commit_that_nobody_keeps_is_said_to_have_failed(home, nora, lab) -> None:  # noqa: F811
    looks(nora, lambda: rig.run_only(VlanChange.objects.get()))
    ended = nora("vlan", "commit", "--yes", "--revert-after", "30s")
    assert ended.code == Exit.FAILED
    assert "Change 1 is rolled back" in ended.err
    assert "1, 2, 3, uplink" in nora("vlan", "show").out


def test_a_commit_is_kept_at_once_if_that_was_asked_for(nora, lab) -> None:
    looks(nora, lambda: _awaits())
    assert nora("vlan", "commit", "--yes", "--keep").out == "Kept as revision 2.\n"


def test_a_commit_waits_to_be_confirmed_extended_or_reverted(nora, lab) -> None:
    looks(nora, lambda: _awaits())
    ended = nora("vlan", "commit", "--yes", "--json")
    assert (ended.code, ended.json["state"]) == (Exit.DONE, "awaiting")
    assert nora("vlan", "extend", "--by", "5m").code == Exit.DONE
    looks(nora, lambda: becomes(State.ROLLED_BACK))
    assert nora("vlan", "revert").out == "Change 1 is rolled back.\n"


def _awaits() -> None:
    from datetime import timedelta

    from django.utils import timezone

    now = timezone.now()
    VlanChange.objects.update(state=State.AWAITING, applied_at=now, deadline_at=now + timedelta(minutes=2))


def test_a_rollback_that_does_not_succeed_is_a_failure(nora, lab) -> None:
    looks(nora, lambda: _awaits())
    nora("vlan", "commit", "--yes")
    looks(nora, lambda: becomes(State.ROLLBACK_FAILED))
    assert nora("vlan", "revert").code == Exit.FAILED


def test_what_is_unsafe_is_refused_and_said(nora, lab) -> None:
    lab.write_text(lab.read_text().replace("- uplink", "- 7"))
    nora("vlan", "import", str(lab))
    ended = nora("vlan", "commit", "--yes", "--json")
    assert (ended.code, ended.problem["code"]) == (Exit.REFUSED, "unsafe-plan")
    assert "UNSAFE: " in ended.err
    assert "an administrator can take that on, on the page" in ended.err
    assert not VlanChange.objects.exists()


def test_nothing_is_committed_that_was_not_shown(nora, lab) -> None:
    silent = nora("vlan", "commit")
    assert (silent.code, VlanChange.objects.count()) == (Exit.USAGE, 0)
    stale = nora("vlan", "commit", "--fingerprint", "0" * 8, "--json")
    assert (stale.code, stale.problem["code"]) == (Exit.REFUSED, "plan-stale")
    assert nora("vlan", "export", "--json").json == nora("vlan", "show", "--draft", "--json").json
    assert nora("vlan", "discard").code == Exit.DONE
    assert nora("vlan", "plan", "--json").problem["code"] == "no-draft"
    assert nora("vlan", "confirm", "--json").problem["code"] == "no-change"


def test_a_file_that_is_none_is_refused(nora, tmp_path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("vlans: {")
    assert nora("vlan", "import", str(bad)).code == Exit.USAGE
