"""The clocks: one that runs `scale` times as fast, and one that only moves when somebody waits."""

import threading
import time

import pytest

from hardware.clock import SystemClock, VirtualClock, time_scale


def test_waits_are_divided_by_the_scale_and_the_clock_runs_as_much_faster() -> None:
    clock = SystemClock(scale=100.0)
    real, seen = time.monotonic(), clock.monotonic()
    assert clock.wait(2.0) is False
    assert 0.02 <= time.monotonic() - real < 1.0
    assert clock.monotonic() - seen >= 2.0


def test_a_wait_ends_at_once_when_it_is_stopped() -> None:
    stop = threading.Event()
    threading.Timer(0.02, stop.set).start()
    began = time.monotonic()
    assert SystemClock(scale=1.0).wait(30.0, stop) is True
    assert time.monotonic() - began < 5.0


def test_a_wait_for_less_than_nothing_is_over(virtual_clock: VirtualClock) -> None:
    assert SystemClock(scale=1.0).wait(-1.0) is False
    before = virtual_clock.monotonic()
    assert virtual_clock.wait(-1.0) is False
    assert virtual_clock.monotonic() == before


@pytest.mark.parametrize(("text", "scale"), [(None, 1.0), ("20", 20.0), ("0.5", 0.5)])
def test_the_scale_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, text: str | None, scale: float) -> None:
    if text is None:
        monkeypatch.delenv("NANOPORTAL_TIME_SCALE", raising=False)
    else:
        monkeypatch.setenv("NANOPORTAL_TIME_SCALE", text)
    assert time_scale() == scale


@pytest.mark.parametrize("text", ["", "fast", "0", "-1", "inf", "nan"])
def test_a_scale_that_cannot_be_is_refused_with_one_sentence(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("NANOPORTAL_TIME_SCALE", text)
    with pytest.raises(ValueError, match=r"NANOPORTAL_TIME_SCALE must be a number above 0, not .*\."):
        time_scale()


def test_what_is_on_the_agenda_happens_in_order_and_at_its_time(virtual_clock: VirtualClock) -> None:
    start, seen = virtual_clock.monotonic(), []
    virtual_clock.at(5.0, lambda: seen.append(("later", virtual_clock.monotonic() - start)))
    virtual_clock.at(2.0, lambda: seen.append(("sooner", virtual_clock.monotonic() - start)))
    virtual_clock.at(9.0, lambda: seen.append(("not yet", virtual_clock.monotonic() - start)))
    assert virtual_clock.wait(6.0) is False
    assert seen == [("sooner", 2.0), ("later", 5.0)]
    assert virtual_clock.monotonic() == start + 6.0


def test_a_stop_ends_a_virtual_wait_at_the_instant_it_is_set(virtual_clock: VirtualClock) -> None:
    start, stop = virtual_clock.monotonic(), threading.Event()
    virtual_clock.at(2.0, stop.set)
    assert virtual_clock.wait(8.0, stop) is True
    assert virtual_clock.monotonic() == start + 2.0


def test_a_virtual_wait_that_was_stopped_before_takes_no_time(virtual_clock: VirtualClock) -> None:
    start, stop = virtual_clock.monotonic(), threading.Event()
    stop.set()
    assert virtual_clock.wait(8.0, stop) is True
    assert virtual_clock.monotonic() == start
