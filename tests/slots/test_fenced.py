"""The two acts that can cut the portal off stand behind a fence: administrator, reason, typed name."""

import sys

import pytest

from hardware.som import ResetType
from operations import refusals
from operations.models import AuditEntry, Operation, OperationState
from operations.refusals import Refused
from slots.models import Board
from slots.services import catalogue, fenced, parts
from tests.slots.rig import ON, SLUG, ask, believe, held

REASON = "it does not answer"


@pytest.fixture
def with_command(rows, data_dir, tmp_path):
    """Lets the board file name a command that restarts the controller; it leaves a mark, or fails."""

    def name(code: str) -> Board:
        path = data_dir / "boards" / f"{SLUG}.toml"
        command = [sys.executable, "-c", code]
        path.write_text(f"{path.read_text()}\n[controller]\nrestart = {command!r}\n")
        parts.forget()
        catalogue.sync_boards()
        return Board.objects.get(slug=SLUG)

    return name


def refusal_of_switch_reset(board, actor, reason=REASON, typed=SLUG) -> Refused:
    with pytest.raises(Refused) as caught:
        fenced.request_switch_reset(board, actor, reason=reason, typed=typed)
    assert not Operation.objects.exists()
    return caught.value


def test_the_switch_chip_is_reset_by_an_administrator_with_a_reason_and_the_name_typed(rows, administrator):
    operation = fenced.request_switch_reset(rows, administrator, reason=REASON, typed=" demo ")
    assert (operation.state, operation.resource) == (OperationState.QUEUED, "demo/switch")
    assert held() == ["demo/switch"]
    assert [step.get("seconds") for step in operation.plan["steps"]] == [None, 0.1, None]
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.outcome, entry.reason) == (
        "switch.reset",
        "demo/switch",
        "requested",
        REASON,
    )


def test_an_operator_does_not_reset_the_switch_chip(rows, operator):
    refused = refusal_of_switch_reset(rows, operator)
    assert refused.message == "Resetting the switch needs the role administrator; olga is operator."


def test_without_the_name_or_without_a_reason_the_switch_chip_is_not_reset(rows, administrator):
    refused = refusal_of_switch_reset(rows, administrator, typed="Demo board")
    assert (refused.code, refused.message) == ("not-confirmed", "Type the board's name, demo, to confirm.")
    refused = refusal_of_switch_reset(rows, administrator, reason="")
    assert (refused.code, refused.message) == ("reason-missing", "A reason is needed for this.")


def test_a_second_reset_of_the_switch_chip_names_who_asked_for_the_first(rows, administrator):
    fenced.request_switch_reset(rows, administrator, reason=REASON, typed=SLUG)
    with pytest.raises(refusals.Busy, match="demo, switch is busy: Reset the switch chip, asked for by alice"):
        fenced.request_switch_reset(rows, administrator, reason=REASON, typed=SLUG)


def test_a_broker_that_is_away_leaves_the_switch_chip_free(rows, administrator, broker_away):
    with pytest.raises(refusals.BrokerUnavailable):
        fenced.request_switch_reset(rows, administrator, reason=REASON, typed=SLUG)
    assert Operation.objects.get().state == OperationState.FAILED
    assert held() == []


def restart(board, actor, reason=REASON, typed=SLUG) -> None:
    fenced.restart_controller(board, actor, reason=reason, typed=typed)


def test_the_controller_is_restarted_by_its_own_operating_system_and_no_line(with_command, tmp_path, administrator):
    board = with_command(f"open({str(tmp_path / 'mark')!r}, 'w')")
    assert fenced.controller_restart_words(board)[0]
    restart(board, administrator)
    assert (tmp_path / "mark").exists()
    entry = AuditEntry.objects.get()
    assert (entry.action, entry.target, entry.reason) == ("controller.restart", "demo/slot:1", REASON)


def test_without_a_command_in_the_board_file_it_is_not_offered_and_says_which_key_would_name_one(rows, administrator):
    offered, words = fenced.controller_restart_words(rows)
    assert not offered
    assert "[controller] restart" in words
    with pytest.raises(refusals.NotOffered):
        restart(rows, administrator)
    assert not AuditEntry.objects.exists()


def test_the_controller_is_not_restarted_without_role_name_and_reason(with_command, tmp_path, operator, administrator):
    board = with_command(f"open({str(tmp_path / 'mark')!r}, 'w')")
    for actor, more, code in [
        (operator, {}, "not-permitted"),
        (administrator, {"typed": ""}, "not-confirmed"),
        (administrator, {"reason": ""}, "reason-missing"),
    ]:
        with pytest.raises(Refused) as caught:
            restart(board, actor, **more)
        assert caught.value.code == code
    assert not (tmp_path / "mark").exists()


def test_the_controller_is_not_restarted_in_the_middle_of_an_operation(with_command, tmp_path, administrator):
    board = with_command(f"open({str(tmp_path / 'mark')!r}, 'w')")
    believe(2, ON)
    operation = ask(2, ResetType.FORCE_OFF, administrator)
    Operation.objects.filter(pk=operation.pk).update(state=OperationState.RUNNING)
    with pytest.raises(refusals.Busy, match="Force off slot 2 is running, asked for by alice"):
        restart(board, administrator)
    assert not (tmp_path / "mark").exists()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("raise SystemExit(3)", r"ended with exit status 3\. Nothing was restarted\."),
        ("import time; time.sleep(9)", r"did not end within 0\.2 s\. Nothing was restarted\."),
    ],
)
def test_a_command_that_fails_is_said_and_nothing_was_restarted(with_command, administrator, monkeypatch, code, words):
    monkeypatch.setattr(fenced, "RESTART_SECONDS", 0.2 if "sleep" in code else 10)
    board = with_command(code)
    with pytest.raises(refusals.Unavailable, match=words):
        restart(board, administrator)


def test_a_command_that_is_not_installed_is_not_offered(with_command, rows, data_dir, administrator):
    path = data_dir / "boards" / f"{SLUG}.toml"
    path.write_text(f'{path.read_text()}\n[controller]\nrestart = ["no-such-program"]\n')
    parts.forget()
    assert fenced.controller_restart_words(rows) == (
        False,
        "Not offered: no-such-program is not installed on this machine.",
    )
