"""The worker's reading of the counters: what it keeps, how much, and what it leaves out."""

from datetime import timedelta

import pytest
from django.utils import timezone

from hardware.simulator import net
from slots.models import Board
from switch.models import PortReading, TrafficSample
from switch.services import rates
from tests.switch import rig

SLOT_4 = 4  # switch port 4 is slot 4's


class Seconds:
    """A clock that the test moves."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


@pytest.fixture
def watch(seconds) -> rates.Watch:
    return rates.Watch(seconds)


def send(switch, port: int, count: int) -> None:
    for _ in range(count):
        net.forward(switch.model, port, net.tagged())


def test_a_reading_says_what_came_in_since_the_one_before(home, board, watch, seconds):
    watch.look()
    first = rates.now(board)
    assert first
    assert {port.flow for port in first[1]} == {None}, "one reading is no rate"
    assert first[1][SLOT_4 - 1].link.mbps == 1000
    assert rates.last_hour(board) == ()

    send(home, SLOT_4, 20)
    seconds.now += 10
    watch.look()
    now = rates.now(board)
    assert now
    port = now[1][SLOT_4 - 1]
    assert port.flow
    assert port.flow.bytes_in == port.counters.rx_bytes > 20 * 60
    assert port.seconds == 10
    assert port.heard_at == now[0]
    assert now[1][0].heard_at is None, "nothing came in there"
    (sample,) = rates.last_hour(board)
    assert sample.flows[SLOT_4 - 1] == port.flow


def test_a_reading_costs_640_transfers(home, watch):
    before = home.transfers
    watch.look()
    assert home.transfers - before == 640


def test_a_reset_of_the_chip_leaves_a_gap_and_no_rate(home, board, watch, seconds):
    send(home, SLOT_4, 5)
    watch.look()
    home.model.set_reset_line(0)
    home.model.set_reset_line(1)
    home.clock.wait(10)
    seconds.now += 10
    watch.look()
    now = rates.now(board)
    assert now
    assert {port.flow for port in now[1]} == {None}
    assert not TrafficSample.objects.exists()


def test_an_hour_is_kept_and_never_more_rows_than_that(home, board, watch, seconds, monkeypatch):
    monkeypatch.setattr(rates, "PLACES", 3)
    for _ in range(8):
        seconds.now += 10
        watch.look()
    assert TrafficSample.objects.count() == 3
    assert len(rates.last_hour(board)) == 3
    TrafficSample.objects.update(at=timezone.now() - timedelta(minutes=61))
    assert rates.last_hour(board) == ()


def test_a_switch_that_does_not_answer_is_a_gap_too(home, board, watch, seconds):
    watch.look()
    home.faults("nack", "switch")
    seconds.now += 10
    watch.look()
    home.clear_faults()
    seconds.now += 10
    watch.look()
    assert not TrafficSample.objects.exists(), "nobody knows what went through while it did not answer"
    seconds.now += 10
    watch.look()
    assert TrafficSample.objects.count() == 1


def test_a_switch_in_trouble_is_left_to_who_looks_for_it(home, board, watch):
    Board.objects.filter(pk=board.pk).update(switch_problem="No reply at 0x5C after 3 tries.")
    before = home.transfers
    watch.look()
    assert home.transfers == before
    assert not PortReading.objects.exists()
    assert rates.now(rig.row()) is None
