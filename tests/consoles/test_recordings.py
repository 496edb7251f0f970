"""A recording holds every byte in order, or says exactly how many are missing; and it keeps to its room."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from consoles.markers import DROPPED, RECORDING_RESUMED, STAGE, Marker
from consoles.recordings import reading, writer
from consoles.recordings.growing import Growing, Piece
from consoles.recordings.segments import ENTRY, Segment, open_all, segments
from consoles.recordings.writer import RecordingWriter
from tests.portal import wait_for

T0 = datetime(2026, 11, 22, 3, 0, tzinfo=UTC).timestamp()
MIB = 2**20
SOON = 10.0


def now() -> datetime:
    return datetime.fromtimestamp(T0, UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "b1" / "3"


@pytest.fixture
def record(folder: Path) -> Iterator[Callable[..., RecordingWriter]]:
    started: list[RecordingWriter] = []

    def start(**more) -> RecordingWriter:
        options = {"quota_bytes": 64 * MIB, "retention": timedelta(days=30), "now": now, "floor_bytes": 0, "scale": 50}
        started.append(RecordingWriter(**{"directory": folder, **options, **more}))
        return started[-1]

    yield start
    for one in started:
        one.close()


def everything(folder: Path) -> bytes:
    return b"".join(moment.data for moment in reading.moments_between(folder, None, None))


def markers(folder: Path) -> list[Marker]:
    return [moment.marker for moment in reading.moments_between(folder, None, None) if moment.marker]


def numbered(first: int, last: int) -> bytes:
    return b"".join(b"line %06d\n" % number for number in range(first, last))


# What is recorded


def test_every_byte_is_there_in_order_with_its_time_and_the_markers_between(folder, record):
    recording = record()
    recording.append(b"U-Boot 2023.01\r\n", T0)
    recording.mark(Marker(STAGE, datetime.fromtimestamp(T0 + 1, UTC), "boot loader started", {"stage": "boot-loader"}))
    recording.append(b"\xe6\xbc", T0 + 2)
    recording.append(b"\xa2\x00\xff", T0 + 3)
    recording.close()
    found = reading.page(folder).moments
    assert [(moment.at - T0, moment.data) for moment in found] == [
        (0, b"U-Boot 2023.01\r\n"),
        (1, b""),
        (2, b"\xe6\xbc"),
        (3, b"\xa2\x00\xff"),
    ]
    assert found[1].marker is not None
    assert found[1].marker.detail == {"stage": "boot-loader"}
    assert Segment(folder, 1).path(".raw").read_bytes() == b"U-Boot 2023.01\r\n\xe6\xbc\xa2\x00\xff", "nothing but it"


def test_reads_that_come_close_together_are_one_record(folder, record):
    recording = record()
    for number in range(1000):
        recording.append(b"x", T0 + number / 1000)
    recording.close()
    found = reading.page(folder).moments
    assert 40 <= len(found) <= 100
    assert everything(folder) == b"x" * 1000


def test_a_recording_goes_on_where_an_earlier_writer_ended(folder, record):
    for number in range(3):
        recording = record()
        recording.append(b"%d" % number, T0 + number)
        recording.close()
    assert everything(folder) == b"012"
    assert len(segments(folder)) == 1


def test_another_day_begins_another_segment(folder, record):
    recording = record()
    for day in range(3):
        recording.append(b"%d" % day, T0 + day * 86400)
    recording.close()
    assert [stretch.start - T0 for stretch in reading.contents(folder).stretches] == [0, 86400, 2 * 86400]
    assert everything(folder) == b"012"


def test_a_clock_that_is_set_back_leaves_the_order_and_every_moment_can_be_found(folder, record):
    recording = record()
    recording.append(b"before", T0)
    recording.append(b" at eleven", T0 + 3600)
    recording.append(b" and again", T0 + 100)  # set back by almost an hour
    recording.append(b" a jitter", T0 + 99.5)  # that of a clock being slewed
    recording.close()
    assert everything(folder) == b"before at eleven and again a jitter"
    for opened in open_all(folder):
        times = [record.at for record in opened.records()]
        assert times == sorted(times)

    def said(seconds: float) -> bytes:
        return reading.page(folder, reading.locate(folder, T0 + seconds)).moments[0].data

    assert said(3000) == b" at eleven"
    assert said(-50) == b"before"
    assert reading.locate(folder, T0 + 4000) == ""


def test_a_clock_that_was_ahead_by_years_hides_nothing(folder, record):
    recording = record()
    recording.append(b"before the time was known", T0 + 10 * 365 * 86400)
    recording.append(b"after", T0)
    recording.close()
    assert reading.page(folder, reading.locate(folder, T0 - 10)).moments[0].data == b"after"


def test_no_line_is_cut_between_two_segments_unless_it_does_not_end(folder, record):
    recording = record(quota_bytes=4 * MIB)
    text = b"".join(b"%06d %s\n" % (number, b"x" * (number % 70)) for number in range(30_000))
    for begin in range(0, len(text), 1000):
        recording.append(text[begin : begin + 1000], T0 + begin / 100_000)
    recording.append(b"heron login: ", T0 + 20)
    recording.append(b"root\r\n# ", T0 + 86400)  # the day after
    for _ in range(1500):
        recording.append(b"y" * 1000, T0 + 86401)
    recording.close()
    assert everything(folder) == text + b"heron login: root\r\n# " + b"y" * 1_500_000
    raws = [segment.path(".raw").read_bytes() for segment in segments(folder)]
    assert sum(raw.endswith(b"\n") for raw in raws) >= 3
    assert [raw for raw in raws if b"y" not in raw and not raw.endswith(b"\n")] == []
    assert next(raw for raw in raws if b"login: " in raw).endswith(b"heron login: root\r\n")
    assert sum(b"y" in raw for raw in raws) >= 3, "a line without end does not make a segment without end"


# Room


def test_the_quota_is_kept_and_the_newest_is_there(folder, record):
    recording = record(quota_bytes=MIB)
    data = numbered(0, 400_000)  # 4.4 MiB
    for begin in range(0, len(data), 4096):
        recording.append(data[begin : begin + 4096], T0 + begin / 50_000)
        if begin % (128 * 4096) == 0:
            wait_for(lambda: recording._waiting_bytes == 0, SOON, "the queue to be written")
            assert size_of(folder) <= MIB + writer.WRITE_BYTES
    recording.close()
    left = everything(folder)
    assert data.endswith(left)
    assert len(left) > 0.6 * MIB
    assert size_of(folder) <= MIB
    assert len(segments(folder)) > 4, "an eighth of the quota goes at once"


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def test_what_is_older_than_the_retention_goes_but_never_what_is_being_written(folder, record):
    recording = record()
    for day in range(4):
        recording.append(b"%d" % day, T0 + day * 86400)
    recording.close()
    for number, segment in enumerate(segments(folder)):
        os.utime(segment.path(".raw"), (T0, T0 + number * 86400))
    later = datetime.fromtimestamp(T0 + 3.5 * 86400, UTC)
    record(retention=timedelta(days=2), now=lambda: later).close()
    assert everything(folder) == b"23"
    much_later = datetime.fromtimestamp(T0 + 300 * 86400, UTC)
    record(retention=timedelta(days=2), now=lambda: much_later).close()
    assert everything(folder) == b"3"


def test_quota_and_retention_may_be_changed_while_it_records(folder, record):
    recording = record()
    for day in range(4):
        recording.append(b"x" * 600_000, T0 + day * 86400)
    wait_for(lambda: len(segments(folder)) == 4, SOON, "four segments")
    recording.configure(MIB, timedelta(days=30))
    wait_for(lambda: len(segments(folder)) == 1, SOON, "the oldest to go")


def test_a_disk_that_is_too_slow_loses_what_does_not_fit_and_says_how_much(folder, record, monkeypatch):
    monkeypatch.setattr(writer, "QUEUE_BYTES", 100_000)
    recording = record()
    with recording._news:  # the thread cannot take anything meanwhile
        recording.append(b"a" * 60_000, T0)
        recording.append(b"b" * 60_000, T0 + 1)
        recording.append(b"c" * 60_001, T0 + 2)
    wait_for(lambda: recording._waiting_bytes == 0, SOON, "the queue to be written")
    recording.append(b"d", T0 + 3)
    recording.close()
    assert everything(folder) == b"a" * 60_000 + b"d"
    assert [(m.kind, m.detail["bytes"]) for m in markers(folder)] == [(DROPPED, 120_001)]
    assert "120,001 bytes are not in the recording" in markers(folder)[0].words


def test_nothing_that_the_daemon_calls_waits_for_the_disk(folder, record, monkeypatch):
    stuck = threading.Event()
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: stuck.wait(SOON))
    recording = record()
    recording.append(b"x", T0)
    wait_for(lambda: recording._waiting_bytes == 0 or recording._unsynced, SOON, "the disk to be busy")
    began = time.monotonic()
    for _ in range(2000):
        recording.append(b"y" * 100, T0 + 1)
    assert time.monotonic() - began < 1
    stuck.set()


# A full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    mount = tmp_path / "small"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", mount], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system may be mounted here: {done.stderr.decode().strip()}")
    yield mount
    subprocess.run(["umount", "-l", mount], check=True)


@pytest.mark.parametrize("quota", [MIB // 2, 64 * MIB], ids=["between two segments", "within one"])
def test_a_full_disk_stops_the_recording_with_a_problem_and_it_goes_on_by_itself(small_disk, record, quota):
    folder = small_disk / "3"
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 800_000)
    recording = record(directory=folder, quota_bytes=quota)
    sent = 0
    while not recording.problem:
        recording.append(b"0123456789abcdef" * 512, T0 + sent)
        sent += 8192
        assert sent < 40 * MIB
        time.sleep(0.001)
    assert recording.problem == "Recording stopped: no space left on device."
    kept = everything(folder)
    assert (b"0123456789abcdef" * (len(kept) // 16 + 1)).startswith(kept)
    recording.mark(Marker(STAGE, now(), "panic", {"stage": "panic"}))
    recording.append(b"lost as well", T0 + sent)
    sent += 12
    ballast.unlink()
    wait_for(lambda: not recording.problem, SOON, "the recording to go on")
    recording.append(b"there again", T0 + sent)
    recording.close()
    found = everything(folder)
    assert found.endswith(b"there again")
    said = [marker for marker in markers(folder) if marker.kind == RECORDING_RESUMED]
    assert sum(marker.detail["bytes"] for marker in said) == sent - (len(found) - len(b"there again")), "exactly"
    assert [marker.words for marker in markers(folder) if marker.kind == STAGE] == ["panic"], "what mattered is kept"


def test_the_recording_stops_while_there_is_still_room_for_the_database(folder, record, monkeypatch):
    room = os.statvfs(folder.parents[1])
    free = [room.f_bavail * room.f_frsize]
    fake = lambda path: os.statvfs_result((room.f_bsize, 1, 0, 0, free[0], 0, 0, 0, 0, 255))  # noqa: E731
    monkeypatch.setattr(writer.os, "statvfs", fake)
    recording = record(floor_bytes=writer.FLOOR_BYTES)
    recording.append(b"a", T0)
    wait_for(lambda: recording._waiting_bytes == 0, SOON, "a byte to be written")
    free[0] = 63 * MIB
    recording.append(b"b", T0 + 1)
    wait_for(lambda: recording.problem, SOON, "the problem")
    assert recording.problem == "Recording stopped: only 63 MiB are free on the disk."
    free[0] = 70 * MIB  # not enough to begin again and stop at once
    recording.append(b"c", T0 + 2)
    time.sleep(0.3)
    assert recording.problem
    free[0] = 100 * MIB
    wait_for(lambda: not recording.problem, SOON, "the recording to go on")
    recording.append(b"d", T0 + 3)
    recording.close()
    assert everything(folder) == b"ad"
    assert [marker.detail["bytes"] for marker in markers(folder)] == [2]


def test_a_directory_that_cannot_be_written_is_a_problem_and_no_crash(tmp_path, record):
    (tmp_path / "b1").write_text("a file where a directory should be")
    recording = record(directory=tmp_path / "b1" / "3")
    recording.append(b"a", T0)
    wait_for(lambda: recording.problem, SOON, "the problem")
    assert recording.problem == "Recording stopped: not a directory."


def test_a_file_that_cannot_be_made_again_and_again_costs_nothing(folder, record, monkeypatch):
    """As with a disk that has no inode left, or a process that has no descriptor."""
    opened = os.open

    def refuse(path, *more):
        if str(path).endswith(".idx"):
            raise OSError(28, "No space left on device")
        return opened(path, *more)

    monkeypatch.setattr(os, "open", refuse)
    before = len(os.listdir("/proc/self/fd"))
    recording = record()
    recording.append(b"a", T0)
    wait_for(lambda: recording.problem, SOON, "the problem")
    tried = recording._retried_at
    wait_for(lambda: recording._retried_at > tried, SOON, "another try")
    assert len(os.listdir("/proc/self/fd")) <= before + 1
    monkeypatch.setattr(os, "open", opened)
    wait_for(lambda: not recording.problem, SOON, "the recording to go on")
    recording.append(b"b", T0 + 1)
    recording.close()
    assert everything(folder) == b"b"
    assert [marker.detail["bytes"] for marker in markers(folder)] == [1]


# Crashes

WRITER = """
import sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from consoles.recordings.writer import RecordingWriter
writer = RecordingWriter(Path(sys.argv[1]), 64 * 2**20, timedelta(days=1), lambda: datetime.now(UTC), scale=50)
number = 0
while True:
    data = b"".join(b"line %06d\\n" % n for n in range(number, number + 50))
    number += 50
    writer.append(data, time.time())
    time.sleep(0.0005)
"""


def test_a_writer_that_is_killed_leaves_a_recording_that_is_whole_up_to_there(folder):
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(folder)], cwd=Path(__file__).parents[2])
        before = len(everything(folder))
        wait_for(lambda size=before: len(everything(folder)) > size + 50_000, SOON, "the writer to write")
        process.send_signal(signal.SIGKILL)
        process.wait(SOON)
    text = everything(folder)
    runs = [int(line[5:]) for line in text.split(b"\n") if len(line) == 11]
    assert runs.count(0) == 3
    broken = [(a, b) for a, b in pairwise(runs) if b != a + 1 and b != 0]
    assert broken == [], "every line follows the one before it, or a new writer begins"


def crashed(folder: Path, *, raw: bytes = b"", index: bytes = b"", marks: bytes = b"") -> Segment:
    """A segment of two records, with the leavings of a crash behind it."""
    folder.mkdir(parents=True)
    segment = Segment(folder, 1)
    growing = Growing(segment)
    growing.write([Piece(T0, b"first\n"), Piece(T0 + 1, b"second\n")])
    growing.close()
    for suffix, more in ((".raw", raw), (".idx", index), (".marks", marks)):
        with open(segment.path(suffix), "ab") as stream:
            stream.write(more)
    return segment


LEAVINGS = {
    "an index entry cut short": ({"index": b"\x01" * 11}, b""),
    "bytes that no entry names": ({"raw": b"third\n"}, b"third\n"),
    "an entry for bytes that never reached the disk": ({"index": ENTRY.pack(T0 + 2, 99999, 0)}, b""),
    "zeros where a power failure ate the index": ({"index": bytes(480), "raw": b"third\n"}, b"third\n"),
    "a marker cut short": ({"marks": b'{"kind":"sta'}, b""),
}


@pytest.mark.parametrize(("leavings", "more"), LEAVINGS.values(), ids=LEAVINGS)
def test_what_a_crash_leaves_is_passed_over_and_repaired_by_the_next_writer(folder, record, leavings, more):
    segment = crashed(folder, **leavings)
    assert everything(folder) == b"first\nsecond\n", "a reader passes it over"
    os.utime(segment.path(".raw"), (T0 + 2, T0 + 2))
    recording = record()
    recording.append(b"after\n", T0 + 3)
    recording.mark(Marker(STAGE, datetime.fromtimestamp(T0 + 4, UTC), "kernel started", {}))
    recording.close()
    assert everything(folder) == b"first\nsecond\n" + more + b"after\n"
    times = {moment.data: moment.at - T0 for moment in reading.page(folder).moments}
    assert not more or times[more] == 2, "the time at which it was written"
    assert [marker.words for marker in markers(folder)] == ["kernel started"]
    assert len(segments(folder)) == 1


def test_a_deletion_that_was_cut_short_is_finished(folder, record):
    crashed(folder)
    (folder / "00000000.idx").write_bytes(b"")
    (folder / "00000000.marks").write_bytes(b"")
    record().close()
    assert {path.name for path in folder.iterdir()} == {f"00000001{suffix}" for suffix in (".raw", ".idx", ".marks")}


# Reading


def test_pages_hold_everything_once_and_follow_each_other(folder, record):
    recording = record(quota_bytes=8 * MIB)
    data = numbered(0, 250_000)
    for begin in range(0, len(data), 1000):
        recording.append(data[begin : begin + 1000], T0 + begin / 10_000)
    recording.close()
    cursor, pages = "", []
    while True:
        page = reading.page(folder, cursor, limit_bytes=100_000)
        pages.append(b"".join(moment.data for moment in page.moments))
        if page.next is None:
            break
        cursor = page.next
    assert b"".join(pages) == data
    assert max(map(len, pages)) <= 100_000
    assert len(segments(folder)) > 1


def test_a_cursor_into_what_the_quota_took_goes_on_with_the_oldest_that_is_left(folder, record):
    recording = record()
    for day in range(3):
        recording.append(b"%d" % day, T0 + day * 86400)
    recording.close()
    segments(folder)[0].remove()
    assert [moment.data for moment in reading.page(folder, "1-0").moments] == [b"1", b"2"]


def test_what_the_quota_takes_during_a_download_is_said_to_be_missing(folder, record):
    recording = record()
    for day in range(5):
        recording.append(b"%d" % day, T0 + day * 86400)
    recording.close()
    moments = reading.moments_between(folder, None, None)
    first = next(moments)
    for segment in segments(folder)[:3]:
        segment.remove()
    told = [first, *moments]
    assert [moment.data for moment in told] == [b"0", b"", b"3", b"4"]
    assert told[1].marker is not None
    assert told[1].marker.words == reading.DELETED_MEANWHILE


def test_a_moment_is_found_by_its_time_and_an_end_is_kept(folder, record):
    recording = record()
    for minute in range(60):
        recording.append(b"%d " % minute, T0 + minute * 60)
    recording.close()
    page = reading.page(folder, reading.locate(folder, T0 + 29.5 * 60), T0 + 32 * 60)
    assert [moment.data for moment in page.moments] == [b"30 ", b"31 ", b"32 "]
    assert page.next is None


@pytest.mark.parametrize("cursor", ["1", "a-b", "-1-2", "1-2-3", "1-" + "9" * 60, "²-1"])
def test_what_is_no_cursor_is_refused(folder, cursor):
    with pytest.raises(ValueError, match="no place in a recording"):
        reading.page(folder, cursor)


def test_a_recording_is_read_while_it_is_written(folder, record):
    recording = record()
    recording.append(b"one ", T0)
    wait_for(lambda: everything(folder) == b"one ", SOON, "the first word")
    page = reading.page(folder)
    recording.append(b"two", T0 + 1)
    wait_for(lambda: everything(folder) == b"one two", SOON, "the second word")
    assert page.next is None


def test_reading_opens_the_files_it_needs_and_closes_them(folder, record):
    recording = record()
    for day in range(30):
        recording.append(b"x", T0 + day * 86400)
    recording.close()
    before = len(os.listdir("/proc/self/fd"))
    for _ in reading.moments_between(folder, None, None):
        assert len(os.listdir("/proc/self/fd")) <= before + 4
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.parametrize("seed", range(3))
def test_whatever_the_disk_refuses_every_byte_is_there_in_order_or_counted(folder, record, monkeypatch, seed):
    """A disk that refuses, or takes a part of, one write in five, at random."""
    chance, real = random.Random(seed), os.write
    recording = record(quota_bytes=MIB, scale=2000)
    ours = threading.get_ident()

    def moody(descriptor: int, data: bytes) -> int:
        if threading.get_ident() != ours and chance.random() < 0.2:
            if chance.random() < 0.5 and len(data) > 1:
                return real(descriptor, data[: chance.randrange(1, len(data))])
            raise OSError(28, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", moody)
    sent = [b"%05d:%s\n" % (number, b"x" * chance.randrange(300)) for number in range(1500)]
    for number, line in enumerate(sent):
        recording.append(line, T0 + number * 0.3)
        if chance.random() < 0.2:
            time.sleep(0.0005)
    monkeypatch.setattr(os, "write", real)
    wait_for(lambda: not recording.problem, SOON, "the recording to go on")
    recording.close()
    told = everything(folder)
    assert recording.problem == ""
    lost = sum(marker.detail["bytes"] for marker in markers(folder))
    assert 0 < lost < sum(map(len, sent))
    assert len(told) + lost == sum(map(len, sent)), "exactly"
    at = 0
    whole = b"".join(sent)
    for line in told.splitlines(keepends=True):
        at = whole.index(line, at) + len(line)
