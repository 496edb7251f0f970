"""Rates from counters that wrap around and fall, minutes from samples, and how both are said and drawn."""

from dataclasses import replace

import pytest

from hardware.jl6108.counters import Traffic
from switch.traffic import Flow, Sample, flows, line, minutes, speed

NOTHING = Traffic(0, 0, 0, 0, 0, 0, 0, 0, 0)
QUIET = (NOTHING,) * 8


def with_port(port: int, **counters: int) -> tuple[Traffic, ...]:
    return tuple(replace(NOTHING, **counters) if number == port else NOTHING for number in range(1, 9))


def test_what_went_through_is_the_difference_of_two_readings():
    before = with_port(3, rx_packets=10, rx_bytes=1_000, tx_packets=5, tx_bytes=700, tx_dropped=1)
    after = with_port(
        3, rx_packets=30, rx_bytes=9_000, tx_packets=6, tx_bytes=1_200, tx_dropped=3, rx_dropped=1, rx_crc_errors=2
    )
    found = flows(before, after, 10)
    assert found is not None
    assert found[2] == Flow(bytes_in=8_000, bytes_out=500, dropped=3, errors=2)
    assert found[3] == Flow(0, 0, 0, 0)


@pytest.mark.parametrize("name", ["tx_dropped", "tx_errors", "rx_dropped", "rx_crc_errors", "rx_fragments"])
def test_a_short_counter_that_wrapped_around_counts_on(name):
    found = flows(with_port(1, **{name: (1 << 32) - 4}), with_port(1, **{name: 6}), 10)
    assert found is not None
    assert found[0].dropped + found[0].errors == 10


@pytest.mark.parametrize("name", ["tx_packets", "tx_bytes", "rx_packets", "rx_bytes"])
def test_after_a_reset_nothing_is_known_of_any_port(name):
    assert flows(with_port(8, **{name: 500}), QUIET, 10) is None


def test_a_reset_that_only_a_short_counter_shows_is_no_storm_of_errors():
    assert flows(with_port(2, rx_crc_errors=40), QUIET, 10) is None


def test_more_than_a_port_can_carry_is_not_believed():
    a_second = with_port(1, rx_packets=1, rx_bytes=125_000_000)
    assert flows(QUIET, a_second, 1) is not None
    assert flows(QUIET, a_second, 0.5) is None
    assert flows(QUIET, a_second, 0) is None


def sample(age: float, seconds: float = 10, **flow: int) -> Sample:
    one = Flow(**{"bytes_in": 0, "bytes_out": 0, "dropped": 0, "errors": 0, **flow})
    return Sample(age, seconds, (one,) * 8)


def test_a_minute_is_the_mean_of_its_samples_and_unknown_without_any():
    found = minutes((sample(5, bytes_in=1_000, dropped=1), sample(15, 30, bytes_in=7_000), sample(130)), 4)
    assert len(found) == 60
    assert found[-1] is not None
    assert (found[-1].bits_in, found[-1].bits_out, found[-1].dropped) == (8 * 8_000 / 40, 0, 1)
    assert found[-2] is None
    assert found[-3] is not None
    assert set(found[:-3]) == {None}


@pytest.mark.parametrize(
    ("bits", "words"),
    [
        *((0, "0 b/s"), (0.4, "0 b/s"), (840, "840 b/s"), (999.6, "1 kb/s"), (1_540, "1.5 kb/s"), (9_960, "10 kb/s")),
        *((12_400, "12 kb/s"), (3_400_000, "3.4 Mb/s"), (999_400_000, "999 Mb/s"), (1_000_000_000, "1 Gb/s")),
    ],
)
def test_rates_are_said_with_two_digits_and_the_unit_that_fits(bits, words):
    assert speed(bits) == words


def test_a_line_breaks_where_nothing_is_known():
    assert line((0, 5, None, 10), 10, 30, 20) == ("0.0,20.0 10.0,10.0", "30.0,0.0 31.0,0.0")
    assert line((None, None), 10, 30, 20) == ()
    assert line((0, 0), 0, 10, 20) == ("0.0,20.0 10.0,20.0",)
