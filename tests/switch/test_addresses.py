"""When an address was seen: what one reading of the chip tells, what two do, and what a port's counters add."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from hardware.errors import BusError
from hardware.jl6108 import tables
from hardware.simulator import net
from switch.models import PortReading, Sighting
from switch.services import addresses, rates
from switch.services.addresses import AddressView
from switch.views.addresses import row_of
from tests.switch.rig import Switch
from tests.switch.shortcuts import PastTheBus

MAC, OTHER = "02:00:00:00:00:04", "02:00:00:00:00:44"
HIT = 0b100


@pytest.fixture
def at(monkeypatch) -> Callable[[float], datetime]:
    """`at(seconds)` sets the time of day."""
    began = timezone.now()

    def set_time(seconds: float) -> datetime:
        now = began + timedelta(seconds=seconds)
        monkeypatch.setattr(timezone, "now", lambda: now)
        return now

    return set_time


@pytest.fixture
def quick(home, monkeypatch) -> Switch:
    """Words of the chip without the bus, which a whole table keeps busy for more than a second."""

    monkeypatch.setattr(home.chip._bridge, "read_words", PastTheBus(home.model).read_words)
    return home


def send(switch: Switch, port: int, mac: str = MAC) -> None:
    net.forward(switch.model, port, net.Frame(tags=(), src=net.parse_mac(mac), dst=net.BROADCAST))


def go_round(switch: Switch) -> None:
    """The chip's ageing goes round: every hit bit falls."""
    for place in range(tables.ADDRESSES):
        address = tables.AGE.at(place)
        if word := switch.model.memory.word(address):
            switch.model.memory.put(address, word & ~HIT)


def hit(switch: Switch, mac: str = MAC) -> None:
    """A frame that sets the bit again, which the model leaves to its first."""
    place = Sighting.objects.get(mac=mac).place
    switch.model.memory.put(tables.AGE.at(place), switch.model.memory.word(tables.AGE.at(place)) | HIT)


def of(found: addresses.Addresses, mac: str = MAC) -> AddressView:
    (view,) = [one for one in found.views if one.mac == mac]
    return view


def test_a_bit_that_is_set_says_no_more_than_one_round_of_the_ageing(quick, board, at):
    send(quick, 4)
    now = at(0)
    view = of(addresses.look(board))
    assert (view.places, view.vid, view.hit, view.held) == ((4,), 10, True, True)
    assert view.seen_at == now
    assert view.seen_after
    ageing = PortReading.objects.get().ageing_seconds
    assert ageing
    assert (now - view.seen_after).total_seconds() == pytest.approx(ageing * 2 / 3)


def test_an_address_that_was_not_there_a_minute_ago_came_since(quick, board, at):
    began = at(0)
    assert addresses.look(board).views == ()
    send(quick, 4)
    now = at(61)
    view = of(addresses.look(board))
    assert (view.seen_after, view.seen_at, view.first_found_at) == (began, now, now)


def test_a_bit_that_rose_between_two_looks_says_it_to_the_second(quick, board, at):
    send(quick, 4)
    at(0)
    addresses.look(board)
    go_round(quick)
    quiet = at(5)
    assert not of(addresses.look(board)).hit
    hit(quick)
    now = at(10)
    view = of(addresses.look(board))
    assert (view.seen_after, view.seen_at) == (quiet, now)
    at(15)
    assert of(addresses.look(board)).seen_after == quiet, "still set, which is no news"


def test_a_look_between_costs_a_small_part_and_none_when_somebody_just_looked(home, board, at):
    send(home, 4)
    at(0)
    addresses.look(board)
    before = home.transfers
    at(3)
    addresses.look(board)
    assert home.transfers == before
    at(5)
    addresses.look(board)
    assert home.transfers - before == 34
    at(61)
    addresses.look(board)
    assert home.transfers - before > 10_000


def test_the_frames_of_a_port_are_those_of_the_only_address_behind_it(quick, board, at):
    seconds = iter((0.0, 10.0, 20.0))
    watch = rates.Watch(lambda: next(seconds))
    at(0)
    send(quick, 4)
    addresses.look(board)
    watch.look()
    send(quick, 4)
    heard = at(30)
    watch.look()
    at(33)
    view = of(addresses.known(board))
    assert (view.seen_after, view.seen_at) == (heard - timedelta(seconds=10), heard)
    send(quick, 4, OTHER)
    at(40)
    addresses.seek(board)
    view = of(addresses.known(board))
    assert view.seen_at == at(40), "with two of them there the frames may be the other's"
    assert view.seen_after
    assert view.seen_after < heard - timedelta(seconds=10)


def test_what_the_chip_forgot_is_remembered_for_a_day(quick, board, at):
    send(quick, 4)
    at(0)
    addresses.look(board)
    quick.chip.remove_address(MAC, of(addresses.known(board)).vid or 0)
    at(5)
    view = of(addresses.look(board))
    assert (view.held, view.hit) == (False, False)
    assert view.seen_at == at(0)
    at(90_000)
    assert addresses.look(board).views == ()


def test_an_address_that_moves_says_so(quick, board, at):
    send(quick, 4)
    at(0)
    assert of(addresses.look(board)).moved_at is None
    send(quick, 3)
    now = at(5)
    view = of(addresses.look(board))
    assert (view.places, view.moved_at) == ((5,), now)


def test_made_up_addresses_do_not_fill_the_database(quick, board, at, monkeypatch):
    monkeypatch.setattr(addresses, "MOST_REMEMBERED", 5)
    for number in range(12):
        send(quick, 4, f"02:00:00:00:01:{number:02x}")
    at(0)
    addresses.seek(board)
    assert Sighting.objects.count() == 12, "what the chip holds is always shown"
    quick.chip.flush_learned()
    at(5)
    addresses.seek(board)
    assert Sighting.objects.count() == 5


def test_a_reading_that_fails_leaves_what_was_known_and_its_age(home, board, at):
    send(home, 4)
    began = at(0)
    addresses.look(board)
    home.faults("nack", "switch")
    at(5)
    with pytest.raises(BusError):
        addresses.look(board)
    at(7)
    found = addresses.look(board)
    assert found.read_at == began, "nobody tries again at once, and what is known is shown meanwhile"
    assert of(found).held
    home.clear_faults()
    now = at(10)
    assert addresses.look(board).read_at == now


def test_a_page_says_to_the_second_only_what_is_known_so_well(quick, board, at):
    began = at(0)
    addresses.look(board)
    send(quick, 4)
    now = at(61)
    loose = row_of(of(addresses.look(board)), {4: "osprey"}, now + timedelta(seconds=5))
    assert (loose.soms, loose.seen_at, loose.within) == ("osprey", None, now - began + timedelta(seconds=5))
    close = replace(loose.view, seen_after=now - timedelta(seconds=15))
    assert (row_of(close, {}, now).seen_at, row_of(close, {}, now).within) == (now, None)
