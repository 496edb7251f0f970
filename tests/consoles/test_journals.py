"""Bytes of a UART in the broker: every one of them, once, in order, or a gap of exact size."""

import os
import time
from datetime import UTC, datetime

import pytest
import redis

from consoles import journal
from consoles.journal import RETAINED_BYTES, RETAINED_ENTRIES, Keys
from consoles.journal_writer import KEPT_BYTES, JournalWriter, Limits
from consoles.markers import Marker
from tests.consoles.rig import SOON, Reader, Som, Start
from tests.flows.broker import Broker
from tests.portal import wait_for


def numbered(count: int, since: int = 0) -> bytes:
    """Bytes that show where one is missing: eight for each number."""
    return b"".join(b"%07d\n" % (n % 10_000_000) for n in range(since, since + count))


def test_what_a_system_prints_is_in_the_journal(serve: Start, som: Som, reader: Reader) -> None:
    serve(som.path).wait_connected()
    som.send(b"login: ")
    reader.wait_data(b"login: ")
    assert reader.data() == b"login: "
    assert reader.markers() == [("daemon-away", "The console daemon listens from here on.")]


def test_a_lone_byte_is_appended_at_once_and_not_joined_with_the_next(serve: Start, som: Som, reader: Reader) -> None:
    serve(som.path).wait_connected()
    for n in range(30):
        som.send(b"%d" % (n % 10))
        wait_for(lambda n=n: reader.end().offset == n + 1, 1, "the byte")  # type: ignore[misc]
    assert [entry.data for entry in reader.entries() if not entry.marker] == [b"%d" % (n % 10) for n in range(30)]


def test_a_flood_is_joined(serve: Start, som: Som, reader: Reader) -> None:
    serve(som.path).wait_connected()
    began = time.monotonic()
    for n in range(300):
        som.send(numbered(12, n * 12))
        time.sleep(0.001)
    seconds = time.monotonic() - began
    reader.wait_data(numbered(12, 299 * 12))
    assert reader.data() == numbered(3600)
    assert len(reader.entries()) < seconds / 0.004 + 10


@pytest.mark.parametrize(
    "data",
    [os.urandom(300_000), b"x" * 1_000_000, b"\x1b]0;title\x07\x1b[2J" * 20_000, "€ä".encode() * 50_000],
    ids=["garbage", "no newline", "escapes", "UTF-8 cut anywhere"],
)
def test_whatever_comes_is_kept_as_it_is(data: bytes, serve: Start, som: Som, reader: Reader) -> None:
    serve(som.path).wait_connected()
    som.send(data)
    reader.wait_end(len(data))
    assert reader.data() == data


def test_retention_is_bounded_by_bytes(serve: Start, som: Som, reader: Reader) -> None:
    serve(som.path).wait_connected()
    som.send(numbered(3 * RETAINED_BYTES // 8))
    reader.wait_data(numbered(1, 3 * RETAINED_BYTES // 8 - 1))
    retained = sum(len(entry.data) for entry in reader.entries())
    assert RETAINED_BYTES <= retained <= RETAINED_BYTES + 100_000


def test_a_hung_broker_costs_nothing_that_fits_into_a_mebibyte(
    serve: Start, som: Som, reader: Reader, private_broker: Broker
) -> None:
    serving = serve(som.path).wait_connected()
    som.send(numbered(1000))
    reader.wait_data(numbered(1, 999))
    with private_broker.hung():
        som.send(numbered(100_000, 1000))
        wait_for(lambda: serving.lines[0].bytes_read == 808_000, SOON, "the UART to be read")
    reader.wait_data(numbered(1, 100_999))
    assert reader.data() == numbered(101_000)
    assert len(reader.epochs()) == 1


def test_a_broker_that_hangs_until_it_is_given_up_gets_nothing_twice(
    serve: Start, som: Som, reader: Reader, private_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consoles.uplink.SILENT_SECONDS", 0.2)
    monkeypatch.setattr("consoles.link.CONNECT_SECONDS", 0.2)
    serving = serve(som.path).wait_connected()
    with private_broker.hung():
        for n in range(0, 60_000, 100):
            som.send(numbered(100, n))
        wait_for(lambda: serving.daemon.uplink and not serving.daemon.uplink.connected, SOON, "the broker to be away")
        som.send(numbered(1000, 60_000))
    reader.wait_data(numbered(1, 60_999))
    assert reader.data() == numbered(61_000)
    assert len(reader.epochs()) == 1


@pytest.mark.parametrize("taken", ["data", "marker"])
def test_what_the_broker_took_without_being_able_to_say_so_is_there_once(
    taken: str, serve: Start, som: Som, reader: Reader, private_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consoles.uplink.SILENT_SECONDS", 0.2)
    monkeypatch.setattr("consoles.link.CONNECT_SECONDS", 0.2)
    overruns = som.path.parent / "som.overruns"
    overruns.write_text("0")
    serving = serve(som.path).wait_connected()
    (line,), uplink = serving.lines, serving.daemon.uplink
    som.send(b"before ")
    reader.wait_data(b"before ")
    with private_broker.hung():
        if taken == "data":
            som.send(b"taken ")
        else:
            overruns.write_text("1")
        wait_for(lambda: line.bytes_read == 13 or line.overruns == 1, SOON, "it to be sent")
        wait_for(lambda: uplink and not uplink.connected, SOON, "the broker to be away")
        som.send(b"after")
        wait_for(lambda: line.bytes_read in (12, 18), SOON, "the UART to be read")
    reader.wait_data(b"after")
    between = b"taken " if taken == "data" else "overrun"
    contents = [entry.data or (entry.marker and entry.marker.kind) for entry in reader.entries()]
    assert contents == ["daemon-away", b"before ", between, b"after"]


def test_what_does_not_fit_while_the_broker_is_away_is_a_gap_of_exact_size(
    serve: Start, som: Som, reader: Reader, private_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, total = 200_000, 100_000
    monkeypatch.setattr("consoles.journal_writer.KEPT_BYTES", kept)
    serving = serve(som.path).wait_connected()
    with private_broker.hung():
        som.send(numbered(total))
        wait_for(lambda: serving.lines[0].bytes_read == total * 8, SOON, "the UART to be read")
    reader.wait_data(numbered(1, total - 1))
    pieces, gaps = reader.pieces()
    delivered = b"".join(pieces)
    ((at, size),) = gaps
    assert len(delivered) + size == total * 8
    assert delivered == numbered(total)[:at] + numbered(total)[at + size :]
    assert kept - 40_000 < len(delivered) <= kept
    words = reader.wait_kind("dropped")
    assert words.startswith(f"{size:,} bytes were dropped here")


def test_chatter_while_the_broker_is_away_takes_hardly_more_memory_than_its_bytes() -> None:
    writer = JournalWriter(Keys("b1", 2), lambda: datetime.now(UTC), Limits())
    for _ in range(300_000):
        writer.append(b"x")
    assert len(writer._unsent) < 30


def test_a_line_that_overruns_for_days_while_the_broker_is_away_takes_no_more_memory_either() -> None:
    writer = JournalWriter(Keys("b1", 2), lambda: datetime.now(UTC), Limits())
    writer.append(b"x" * 1000)
    for _ in range(20_000):
        writer.mark(Marker("overrun", datetime.now(UTC), "The line overran once: input was lost before this."))
    assert sum(len(piece.content) for piece in writer._unsent) < KEPT_BYTES


def test_a_broker_that_lost_its_memory_begins_an_epoch_where_the_one_before_ended(
    serve: Start, som: Som, reader: Reader, private_broker: Broker
) -> None:
    serve(som.path).wait_connected()
    som.send(b"before ")
    reader.wait_data(b"before ")
    (old,) = reader.epochs()
    private_broker.kill()
    som.send(b"meanwhile ")
    private_broker.start()
    reader.wait_data(b"meanwhile ")
    som.send(b"after")
    reader.wait_data(b"after")
    (epoch,) = reader.epochs()
    assert (epoch.cause, epoch.first, epoch.previous, epoch.lost) == ("broker-lost", 7, old.epoch, 0)
    assert reader.data() == b"meanwhile after"
    assert reader.kinds() == ["broker-lost"]
    assert reader.entries()[0].cursor.offset == 7


def test_a_broker_that_comes_back_with_older_memory_is_one_that_lost_it(
    serve: Start, som: Som, reader: Reader, client: "redis.Redis"
) -> None:
    serve(som.path).wait_connected()
    som.send(b"one ")
    reader.wait_data(b"one ")
    (old,) = reader.epochs()
    stream = reader.keys.stream(old.epoch)
    snapshot = client.dump(stream)
    som.send(b"two ")
    reader.wait_data(b"two ")
    client.restore(stream, 0, snapshot, replace=True)
    client.client_kill_filter(_type="normal", skipme=True)
    wait_for(lambda: len(reader.epochs()) == 2, SOON, "a new epoch")
    assert reader.epochs()[-1].first == 8
    assert reader.data(old.epoch) == b"one "
    assert 0 < client.ttl(stream) <= 3600, "whoever reads the old one may finish it"


def test_a_daemon_that_starts_without_a_broker_loses_nothing(
    serve: Start, som: Som, reader: Reader, private_broker: Broker
) -> None:
    private_broker.kill()
    serve(som.path).wait_open()
    som.send(b"early ")
    private_broker.start()
    reader.wait_data(b"early ")
    assert reader.data() == b"early "
    assert reader.epochs()[-1].first == 0


def test_a_new_daemon_begins_an_epoch_that_says_how_long_nobody_listened(
    serve: Start, som: Som, reader: Reader, client: "redis.Redis"
) -> None:
    serve(som.path).wait_connected()
    som.send(b"first")
    reader.wait_data(b"first")
    serve.stop_all()
    time.sleep(0.3)
    serve(som.path).wait_connected()
    som.send(b"second")
    wait_for(lambda: len(reader.epochs()) == 2, SOON, "a new epoch")
    reader.wait_data(b"second")
    old, new = reader.epochs()
    assert (new.previous, new.cause, new.first, new.lost) == (old.epoch, "daemon-start", 5, None)
    assert new.away_seconds == pytest.approx(0.5, abs=0.3)
    assert reader.data(old.epoch) == b"first"
    assert reader.data() == b"second"
    assert "away for 0." in reader.markers()[0][1]
    assert "unknown number of bytes" in reader.markers()[0][1]


def test_of_many_starts_only_the_last_two_take_memory(serve: Start, som: Som, client: "redis.Redis") -> None:
    for _ in range(4):
        serve(som.path).wait_connected()
        serve.stop_all()
    streams = [key for key in client.keys("console:b1:2:*") if len(key.split(b":")[-1]) == 16]
    assert len(streams) == 2
    assert client.llen(journal.Keys("b1", 2).epochs) == 4


def test_a_broker_without_its_memory_and_a_new_daemon_do_not_count_from_zero(
    serve: Start, som: Som, reader: Reader, client: "redis.Redis", tmp_path: "os.PathLike[str]"
) -> None:
    serve(som.path, directory=tmp_path).wait_connected()
    som.send(b"first")
    reader.wait_data(b"first")
    serve.stop_all()
    client.flushall()
    serve(som.path, directory=tmp_path).wait_connected()
    assert reader.epochs()[-1].first == 5
    assert reader.epochs()[-1].away_seconds is not None


def test_chatter_of_single_bytes_leaves_the_broker_room_for_everything_else(
    serve: Start, som: Som, reader: Reader, client: "redis.Redis"
) -> None:
    """A broker with 3 MB: ours may take half of that, and somebody else's commands still get through."""
    base = client.info("memory")["used_memory"]
    client.config_set("maxmemory", base + 3_000_000)
    serving = serve(som.path).wait_connected()
    writer = serving.lines[0].journal
    assert writer is not None
    for _ in range(20):
        som.send(numbered(20_000))
        client.set("operation", "queued")
    wait_for(lambda: writer.end == 3_200_000 and not writer._sent, SOON, "all of it to be judged")
    assert client.memory_usage(reader.keys.stream(reader.epochs()[-1].epoch)) < (base + 3_000_000) / 2
    assert len(reader.entries()) < RETAINED_ENTRIES


def test_a_broker_with_no_memory_left_loses_bytes_that_are_counted_and_then_goes_on(
    serve: Start, som: Som, reader: Reader, client: "redis.Redis"
) -> None:
    serve(som.path).wait_connected()
    som.send(b"before")
    reader.wait_data(b"before")
    client.config_set("maxmemory", 1)
    som.send(b"lost")
    time.sleep(0.3)
    client.config_set("maxmemory", 0)
    som.send(b"after")
    words = reader.wait_kind("dropped")
    pieces, gaps = reader.pieces()
    assert (b"".join(pieces), gaps) == (b"beforeafter", [(6, 4)])
    assert words.startswith("4 bytes were lost")
