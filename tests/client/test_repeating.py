"""What is asked again when no answer comes, and what never is."""

import httpx
import pytest

from nanoportal_client.access import Access
from nanoportal_client.portal import PAUSES, Portal
from nanoportal_client.problems import Exit, Problem
from nanoportal_client.waiting import PATIENCE_SECONDS
from operations.models import AuditEntry, Operation, Reservation
from tests.client.rig import URL, CommandLine
from tests.slots.rig import OFF, believe

CM4 = 2


def test_an_act_whose_answer_was_lost_is_asked_again_with_the_same_key_and_done_once(olga: CommandLine) -> None:
    believe(CM4, OFF)
    olga.network.lost_answers = 2
    ended = olga("power", "on", "2", "--json")
    assert ended.code == Exit.DONE
    first, *again = olga.network.keys()
    assert again == [first, first]
    assert [str(row.pk) for row in Operation.objects.all()] == [ended.json[0]["id"]]
    assert AuditEntry.objects.filter(action="power.reset", outcome="requested").count() == 1
    assert olga.slept == list(PAUSES[:2])


def test_a_reservation_whose_answer_was_lost_is_made_once(olga: CommandLine) -> None:
    olga.network.lost_answers = 2
    ended = olga("reserve", "2", "--for", "1h", "-p", "swap SSD", "--json")
    assert (ended.code, ended.json["id"]) == (Exit.DONE, Reservation.objects.get().pk)
    assert len(set(olga.network.keys())) == 1
    again = ["reserve", "3", "--for", "1h", "-p", "nightly", "--key", "nightly-3", "--json"]
    assert olga(*again).json["id"] == olga(*again).json["id"]


def test_two_commands_are_two_wishes(olga: CommandLine) -> None:
    believe(CM4, OFF)
    olga("power", "on", "2")
    olga("power", "on", "2")
    assert len(set(olga.network.keys())) == 2


def test_an_act_that_never_gets_an_answer_says_how_to_ask_once_more(olga: CommandLine) -> None:
    believe(CM4, OFF)
    olga.network.lost_answers = 99
    ended = olga("power", "on", "2")
    key = olga.network.keys()[0]
    assert ended.code == Exit.UNKNOWN
    assert f"--key {key} does it at most once" in ended.err
    olga.network.lost_answers = 0
    assert olga("power", "on", "2", "--key", key).code == Exit.DONE
    assert Operation.objects.count() == 1


def test_an_act_without_a_key_is_never_asked_twice(olga: CommandLine) -> None:
    """A rollback, say, or what is said while somebody holds a button: whether it was done, nobody here knows."""
    olga.network.lost_answers = 1
    with pytest.raises(Problem) as problem:
        portal_of(olga).act("POST", "/boards/demo/slots/2/reservations", {"purpose": "swap SSD", "seconds": 3600})
    assert problem.value.exit_code == Exit.UNKNOWN
    assert "Look before you ask again" in problem.value.message
    assert len(olga.network.requests) == 1
    assert Reservation.objects.count() == 1, "and done it was"


def test_what_was_never_sent_is_tried_again_and_then_nothing_was_done(olga: CommandLine) -> None:
    believe(CM4, OFF)
    olga.network.lost_requests = 2
    assert olga("--board", "demo", "power", "on", "2").code == Exit.DONE
    olga.network.lost_requests = 99
    assert olga("vlan", "--help").code == Exit.DONE
    assert olga("--board", "demo", "vlan", "revert").code == Exit.UNREACHABLE


def test_one_that_may_have_arrived_stays_unknown_when_the_portal_is_gone_afterwards(olga: CommandLine) -> None:
    believe(CM4, OFF)
    olga.network.lost_answers = 1

    def go(request: httpx.Request) -> None:
        olga.network.lost_requests = 99 if len(olga.network.requests) > 1 else 0

    olga.network.before = go
    assert olga("--board", "demo", "power", "on", "2").code == Exit.UNKNOWN


def test_what_only_reads_is_asked_again(olga: CommandLine) -> None:
    olga.network.lost_requests = len(PAUSES)
    assert olga("boards").code == Exit.DONE
    assert len(olga.network.requests) == len(PAUSES) + 1


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxys_word_is_no_word_of_the_portals(olga: CommandLine, status: int) -> None:
    believe(CM4, OFF)
    olga.network.answers = [httpx.Response(status, text="<html>Bad Gateway</html>")]
    assert olga("--board", "demo", "power", "on", "2").code == Exit.DONE
    first, second = olga.network.keys()
    assert first == second


def test_a_refusal_is_not_asked_again(vera: CommandLine) -> None:
    assert vera("--board", "demo", "power", "on", "2").code == Exit.NOT_PERMITTED
    assert len(vera.network.requests) == 1


def test_waiting_outlasts_a_portal_that_is_away_for_a_while(olga: CommandLine) -> None:
    believe(CM4, OFF)
    asked = olga("power", "on", "2", "--json").json[0]["id"]
    looks = []

    def away_at_first(request: httpx.Request) -> None:
        looks.append(request)
        if len(looks) == 10:
            Operation.objects.update(state="succeeded")
        olga.network.lost_requests = 1 if 2 <= len(looks) < 10 else 0

    olga.network.before = away_at_first
    assert olga("wait", asked).code == Exit.DONE
    assert len(looks) == 10


def test_waiting_gives_up_on_a_portal_that_does_not_come_back(olga: CommandLine) -> None:
    believe(CM4, OFF)
    asked = olga("power", "on", "2", "--json").json[0]["id"]
    olga.network.lost_requests = 10_000
    ended = olga("wait", asked, "--json")
    assert (ended.code, ended.problem["code"]) == (Exit.UNKNOWN, "lost-sight")
    assert PATIENCE_SECONDS < sum(olga.slept) < 2 * PATIENCE_SECONDS


def portal_of(line: CommandLine) -> Portal:
    return line.open(Access(URL, line.token), clock=line.clock)
