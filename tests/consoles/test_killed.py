"""kill -9 of the daemon in the middle of a flood: what it appended and what the next one reads are whole."""

import os
import subprocess
import sys
import threading
import time
from contextlib import suppress

import pytest

from tests.consoles.rig import SOON, Reader, Som
from tests.consoles.test_journals import numbered
from tests.flows.broker import Broker
from tests.portal import wait_for

pytestmark = pytest.mark.quiet
BYTES_PER_SECOND = 92_160


class Flood:
    """A SOM that prints numbers at the rate of 921600 baud, whether anybody reads them or not."""

    def __init__(self, som: Som) -> None:
        self._som = som
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        os.set_blocking(som.far, False)
        self._thread.start()

    def _run(self) -> None:
        began, sent = time.monotonic(), 0
        while not self._stop.wait(0.001):
            due = int((time.monotonic() - began) * BYTES_PER_SECOND / 8)
            with suppress(BlockingIOError):  # a UART does not wait either
                os.write(self._som.far, numbered(due - sent, sent))
            sent = due

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(SOON)


def start(url: str, som: Som) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-m", "tests.consoles.daemon_process", url, str(som.path)])


def test_a_killed_daemon_leaves_one_hole_no_longer_than_it_was_away(
    private_broker: Broker, som: Som, reader: Reader
) -> None:
    daemon = start(private_broker.url, som)
    wait_for(lambda: reader.epochs(), SOON, "the first epoch")
    flood = Flood(som)
    wait_for(lambda: reader.end().offset > 30_000, SOON, "output")
    daemon.kill()
    killed = time.monotonic()
    daemon.wait()
    daemon = start(private_broker.url, som)
    wait_for(lambda: len(reader.epochs()) == 2, SOON, "the second epoch")
    first = reader.epochs()[1].first
    wait_for(lambda: reader.end().offset > first, SOON, "output again")
    away = time.monotonic() - killed
    wait_for(lambda: reader.end().offset > first + 30_000, SOON, "more output")
    flood.stop()
    daemon.terminate()
    daemon.wait()

    old, new = reader.epochs()
    before, after = reader.data(old.epoch), reader.data()
    assert before == numbered(len(before) // 8 + 1)[: len(before)]
    assert new.first == len(before)
    whole = after[after.index(b"\n") + 1 :]
    number = int(whole[:7])
    assert whole == numbered(len(whole) // 8 + 1, number)[: len(whole)], "after the new one's first read all is there"
    assert 0 < number * 8 - len(before) <= (away + 0.05) * BYTES_PER_SECOND
    assert new.away_seconds is not None
    assert abs(new.away_seconds - away) < 1
