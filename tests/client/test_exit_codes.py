"""Every exit code of the guide's table, each by what really leads to it."""

import json
from pathlib import Path

import httpx
import pytest

from nanoportal_client.problems import Exit
from operations import lifecycle
from operations.models import Operation, OperationState
from tests.client.rig import CommandLine
from tests.slots.rig import OFF, ON, believe

CM4, CM5 = 2, 3
GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guide" / "command-line.md"


def test_0_done(olga: CommandLine) -> None:
    believe(CM4, OFF)
    ended = olga("power", "on", "2")
    assert (ended.code, ended.err) == (Exit.DONE, "")
    assert Operation.objects.get().title == "Power on slot 2"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["power", "explode", "3"], "'explode' is not one of"),
        (["power", "on", "three"], "'three' is no slot; say 3, 2-4, 2,5 or board/3."),
        (["power", "on"], "Missing argument"),
        (["reserve", "3", "--for", "soon", "-p", "x"], "'soon' is no length of time"),
        (["reserve", "3", "--for", "2h", "--at", "noonish", "-p", "x"], "'noonish' is no time"),
        (["--ca", "/nowhere/ca.pem", "--url", "https://127.0.0.1:8000", "boards"], "cannot be read: No such file"),
        (["--ca", __file__, "--url", "https://127.0.0.1:8000", "boards"], "cannot be read: it holds no certificate"),
        (["images", "upload", "/nowhere/lab.img"], "does not exist"),
        (["configure"], "Which portal? Say its address"),
        (["slots", "4-2"], "'4-2' goes backwards; say 2-4."),
        (["slots", "../../me/3"], "'../../me' is no board."),
        (["--board", "..", "slots"], "'..' is no board."),
        (["wait", "../boards"], "'../boards' is no operation's id"),
        (["tokens", "revoke", ".."], "'..' is no token's prefix"),
        (["audit", "--from", "yesterday"], "'yesterday' is no day; say 2026-11-01"),
        (["--timeout", "nan", "boards"], "'nan' is no length of time"),
        (["--timeout", "0", "boards"], "'0' is not between 0.1 and 600 s"),
        (["power", "on", "2", "--within", "5s"], "so it takes --wait"),
        (["reserve", "3", "--for", "2h", "--at", "25:99", "-p", "x"], "'25:99' is no time"),
    ],
)
def test_2_usage_before_anything_is_asked_for(olga: CommandLine, words: list[str], said: str) -> None:
    ended = olga(*words)
    assert said in ended.err
    assert ended.code == Exit.USAGE
    assert not Operation.objects.exists()


def test_2_usage_as_the_portal_says_it(olga: CommandLine) -> None:
    ended = olga("reserve", "3", "--for", "1s", "-p", "too short")
    assert ended.code == Exit.USAGE
    assert ended.err.startswith("Error: ")


def test_3_not_permitted(vera: CommandLine) -> None:
    ended = vera("power", "on", "2", "--json")
    assert ended.code == Exit.NOT_PERMITTED
    assert ended.problem["code"] == "not-permitted"
    assert ended.problem["message"] == "Switching slot 2 needs the role operator; vera is viewer."
    assert not Operation.objects.exists()


def test_3_a_token_that_is_none_and_one_that_is_for_something_else(olga: CommandLine, as_) -> None:
    wrong = CommandLine("np_abcdefgh_" + "x" * 43)
    assert wrong("boards").code == Exit.NOT_PERMITTED
    reader = as_("olga", scopes=("read",))
    assert reader("slots").code == Exit.DONE
    assert reader("power", "on", "2").code == Exit.NOT_PERMITTED


def test_3_a_slot_that_somebody_else_has_reserved(olga: CommandLine, as_) -> None:
    assert as_("otto", "operator")("reserve", "2", "--for", "2h", "-p", "swap SSD").code == Exit.DONE
    ended = olga("power", "on", "2", "--json")
    assert (ended.code, ended.problem["code"]) == (Exit.NOT_PERMITTED, "reserved")


@pytest.mark.parametrize(
    "words", [["slots", "nowhere/3"], ["power", "on", "9"], ["flash", "3", "0" * 64], ["release", "77"]]
)
def test_4_not_there(olga: CommandLine, words: list[str]) -> None:
    assert olga(*words).code == Exit.NOT_THERE


def test_5_refused_as_things_stand(olga: CommandLine) -> None:
    believe(CM4, ON)
    ended = olga("power", "on", "2", "--json")
    assert (ended.code, ended.problem["code"]) == (Exit.REFUSED, "already-in-state")
    assert not Operation.objects.exists()


def test_5_busy_and_a_key_that_was_used_for_something_else(olga: CommandLine) -> None:
    believe(CM4, OFF)
    believe(CM5, OFF)
    assert olga("power", "on", "2", "--key", "nightly").code == Exit.DONE
    assert olga("power", "on", "2").code == Exit.REFUSED
    ended = olga("power", "on", "3", "--key", "nightly", "--json")
    assert (ended.code, ended.problem["code"]) == (Exit.REFUSED, "idempotency-mismatch")


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (OperationState.SUCCEEDED, Exit.DONE),
        (OperationState.FAILED, Exit.FAILED),
        (OperationState.EXPIRED, Exit.FAILED),
        (OperationState.CANCELLED, Exit.FAILED),
        (OperationState.INTERRUPTED, Exit.UNKNOWN),
    ],
)
def test_6_and_8_as_an_operation_ended(olga: CommandLine, state: OperationState, code: Exit) -> None:
    believe(CM4, OFF)
    asked = olga("power", "on", "2", "--json").json[0]["id"]
    Operation.objects.update(state=state, message="It ended so.", code="" if state == "succeeded" else "some-code")
    ended = olga("wait", asked, "--json")
    assert ended.code == code
    assert ended.json[0]["state"] == state
    if code:
        assert ended.problem["message"] == "Power on slot 2: It ended so."
        assert ended.problem["detail"]["operation"] == asked


def test_7_unreachable(olga: CommandLine) -> None:
    olga.network.lost_requests = 99
    ended = olga("power", "on", "2")
    assert ended.code == Exit.UNREACHABLE
    assert "cannot be reached: Connection refused" in ended.err
    assert not Operation.objects.exists()


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (httpx.Response(200, text="<html>It works!</html>"), Exit.UNREACHABLE),
        (httpx.Response(404, text="<html>Not Found</html>"), Exit.UNREACHABLE),
        (httpx.Response(308, headers={"Location": "https://portal.lan/"}), Exit.USAGE),
        (httpx.Response(503, json={"code": "broker-unavailable", "message": "No.", "detail": {}}), Exit.UNREACHABLE),
        (httpx.Response(500, text="Server Error"), Exit.UNREACHABLE),
    ],
)
def test_7_what_answers_is_no_portal_or_cannot(olga: CommandLine, answer: httpx.Response, code: Exit) -> None:
    olga.network.answers = [answer]
    assert olga("boards").code == code
    assert len(olga.network.requests) == 1, "and nobody is asked again who has answered"


def test_8_outcome_unknown_after_the_portal_failed_in_the_middle_of_an_act(olga: CommandLine) -> None:
    olga.network.answers = [httpx.Response(500, text="Server Error")]
    ended = olga("--board", "demo", "power", "on", "2")
    assert ended.code == Exit.UNKNOWN
    assert "Whether it was done is not known" in ended.err


def test_8_it_goes_on_when_the_time_is_over(olga: CommandLine) -> None:
    believe(CM4, OFF)
    ended = olga("power", "on", "2", "--wait", "--within", "0.05", "--json")
    assert (ended.code, ended.problem["code"]) == (Exit.UNKNOWN, "goes-on")


def test_130_ctrl_c_while_waiting_leaves_the_operation_alone(olga: CommandLine) -> None:
    believe(CM4, OFF)

    def press(request: httpx.Request) -> None:
        if request.method == "GET" and "/operations/" in request.url.path:
            raise KeyboardInterrupt

    olga.network.before = press
    ended = olga("power", "on", "2", "--wait")
    operation = Operation.objects.get()
    assert ended.code == Exit.INTERRUPTED
    assert f"nanoportal wait {operation.pk}" in ended.err
    assert operation.state == OperationState.QUEUED


def test_130_ctrl_c_at_any_other_time(olga: CommandLine) -> None:
    def press(request: httpx.Request) -> None:
        raise KeyboardInterrupt

    olga.network.before = press
    assert olga("boards").code == Exit.INTERRUPTED


def test_a_problem_is_a_sentence_for_people_and_the_apis_json_with_json(vera: CommandLine) -> None:
    plain, machine = vera("cancel", "0" * 8), vera("--json", "power", "on", "2")
    assert plain.err.startswith("Error: ")
    assert set(json.loads(machine.err)) == {"code", "message", "detail"}
    assert (plain.out, machine.out) == ("", "")


@pytest.mark.parametrize("words", [["--json", "power", "explode", "3"], ["reserve", "3", "--for", "soon", "--json"]])
def test_what_is_wrong_with_a_command_line_is_json_too(olga: CommandLine, words: list[str]) -> None:
    ended = olga(*words)
    assert (ended.code, ended.problem["code"], ended.out) == (Exit.USAGE, "usage", "")


def test_the_guide_has_every_code() -> None:
    text = GUIDE.read_text()
    assert [code.name for code in Exit if code is not Exit.FAULT and f"\n| {int(code)} |" not in text] == []


def test_an_operation_that_ends_while_it_is_waited_for(olga: CommandLine) -> None:
    """The log is told as it grows, and the end is seen."""
    believe(CM4, OFF)

    def work(request: httpx.Request) -> None:
        operation = Operation.objects.first()
        if request.method == "GET" and operation is not None and operation.state == OperationState.QUEUED:
            lifecycle.append_log(operation, "line 2 driven low")
            Operation.objects.update(state=OperationState.SUCCEEDED, message="Started.")

    olga.network.before = work
    ended = olga("power", "on", "2", "--wait")
    assert ended.code == Exit.DONE
    assert ended.err.splitlines() == ["line 2 driven low"]
    assert "Started." in ended.out
