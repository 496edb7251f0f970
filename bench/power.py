"""Power: from an accepted request to the first write on the bus, the dashboard, the footprint, the start.

`power.request_to_first_write_ms` begins when the portal accepts the request (the operation's `created_at`) and ends
with the first write to the expander in the trace; `power.post_to_first_write_ms` begins when the client sends it.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx

from bench.figures import Figure, percentile, percentiles
from nanoportal.broker import broker_urls
from tests.portal import Client, Portal, free_port, wait_for

SAMPLES = 200
# Everything runs in real time. Only the pulse is short, so that 200 samples take seconds: what is measured ends
# before it.
QUICK_TYPE = """
from slots.models import Som, SomType
quick = SomType.objects.get(name="CM4")
quick.pk, quick.name, quick.shipped, quick.pulse_seconds = None, "quick", False, 0.02
quick.save()
Som.objects.filter(slot__number=2).update(som_type=quick)
"""
PROJECT = Path(__file__).resolve().parent.parent


def measure() -> list[Figure]:
    """All figures of this benchmark."""
    with workspace() as folder:
        figures = latency(folder / "latency")
        figures += dashboards(folder / "dashboard")
        figures += start_and_footprint(folder / "start")
        return figures


@contextmanager
def workspace() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="np-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def latency(folder: Path) -> list[Figure]:
    """Requests and no-ops take turns, so that both see the same machine."""
    portal = Portal(folder, scale=1)
    try:
        client = portal.start().sign_in()
        portal.manage("shell", "-c", QUICK_TYPE)
        first = client.reset(2, "On").json()
        client.wait_operation(first["id"])
        with noop_worker(portal) as noop_ms:
            for _ in range(10):
                one_request(portal, client)
                noop_ms()
            posts, accepted, noops = [], [], []
            for _ in range(SAMPLES):
                from_post, from_accept = one_request(portal, client)
                posts.append(from_post)
                accepted.append(from_accept)
                noops.append(noop_ms())
    finally:
        portal.close()
    return [
        *percentiles("power.request_to_first_write_ms", accepted, "celery_noop", noops),
        *percentiles("power.post_to_first_write_ms", posts, "celery_noop", noops),
    ]


def one_request(portal: Portal, client: Client) -> tuple[float, float]:
    """Milliseconds to the first write of one reset, from the POST and from its acceptance."""
    size = portal.board.trace_file.stat().st_size
    offset = time.time() - time.monotonic()
    began = time.monotonic()
    answer = client.reset(2, "ForceRestart")
    assert answer.status_code == 202, answer.text
    # The trace first: whoever asks the portal how it goes keeps it from going on.
    written = wait_for(lambda: first_write(portal.board.trace_file, size), 5, "a write in the trace")
    operation = client.wait_operation(answer.json()["id"])
    accepted = datetime.fromisoformat(operation["created_at"]).timestamp() - offset
    return (written - began) * 1000, (written - accepted) * 1000


def first_write(trace: Path, position: int) -> float | None:
    """When the expander's output register was first written after `position` in the trace."""
    with open(trace) as stream:
        stream.seek(position)
        for line in stream:
            if '"op":"w"' in line and '"addr":"0x18"' in line and '"data":"01' in line:
                return float(line.partition('"t":')[2].partition(",")[0])
    return None


@contextmanager
def noop_worker(portal: Portal):  # type: ignore[no-untyped-def]
    """A bare Celery worker on the portal's broker; yields a function that times one no-op in milliseconds."""
    os.environ["BENCH_BROKER"] = broker_urls(Path(portal.environment["NANOPORTAL_DATA"]), None).celery
    from bench.noop import noop

    times = portal.data / "noop.times"
    times.touch()
    words = [sys.executable, "-m", "celery", "--quiet", "--app", "bench.noop", "worker", "--pool", "threads"]
    words += ["--concurrency", "16", "--prefetch-multiplier", "1", "--queues", "bench", "--hostname", "bench"]
    words += ["--loglevel", "ERROR", "--without-gossip", "--without-mingle", "--without-heartbeat"]
    process = subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def once() -> float:
        before = len(times.read_text().splitlines())
        began = time.monotonic()
        noop.apply_async(args=[str(times)], queue="bench")
        lines = wait_for(lambda: times.read_text().splitlines()[before:], 20, "the no-op to run")
        return (float(lines[0]) - began) * 1000

    try:
        once()
        yield once
    finally:
        process.terminate()
        process.wait(20)


BOARD_COUNTS = (1, 100, 1000)


def dashboards(folder: Path) -> list[Figure]:
    """The first page with 1, 100 and 1,000 boards: time and number of queries."""
    figures = []
    for count in BOARD_COUNTS:
        portal = Portal(folder / str(count), scale=1)
        try:
            client = portal.start().sign_in()
            if count > 1:
                portal.manage("shell", "-c", MAKE_BOARDS.format(count=count - 1))
            samples = [page_ms(client) for _ in range(220)][20:]
            queries = float(portal.manage("shell", "-c", COUNT_QUERIES).stdout.split()[-1])
        finally:
            portal.close()
        for percent in (50, 99):
            name = f"dashboard.boards_{count}.p{percent}_ms"
            figures.append(Figure(name, percentile(samples, percent), "ms", len(samples)))
        figures.append(Figure(f"dashboard.boards_{count}.queries", queries, "queries", 1))
    return figures


def page_ms(client: Client) -> float:
    began = time.monotonic()
    answer = client.get("/")
    assert answer.status_code == 200, answer.text[:200]
    return (time.monotonic() - began) * 1000


MAKE_BOARDS = """
from slots.models import Board, Slot, Som, SomType
kinds = list(SomType.objects.all())
boards = Board.objects.bulk_create([Board(slug=f"rack-{{n:04}}", name=f"Rack {{n}}") for n in range({count})])
slots = Slot.objects.bulk_create([Slot(board=b, number=n, power_state="On") for b in boards for n in range(1, 8)])
Som.objects.bulk_create([Som(slot=s, som_type=kinds[s.pk % 4], name=f"som-{{s.pk}}") for s in slots])
"""
COUNT_QUERIES = """
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.db import connection
from accounts.models import User
client = Client(headers={"host": "localhost"})
client.force_login(User.objects.get(username="alice"))
client.get("/")
with CaptureQueriesContext(connection) as captured:
    assert client.get("/").status_code == 200
print(len(captured))
"""
IDLE_SECONDS = 60


def start_and_footprint(folder: Path) -> list[Figure]:
    """`make run`, installed, as a user starts it: time to the first page, then memory after a minute of idling."""
    seconds = []
    for attempt in range(5):
        data = folder / str(attempt)
        began = time.monotonic()
        process, port = make_run(data)
        wait_for(lambda port=port: first_page(port), 60, "the first page")
        seconds.append(time.monotonic() - began)
        last = attempt == 4
        if last:
            time.sleep(IDLE_SECONDS)
            mib = tree_pss_mib(process.pid)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal's Ctrl-C reaches make and all below it
        process.wait(20)
    return [
        Figure("start.first_page_s", percentile(seconds, 50), "s", len(seconds)),
        Figure("footprint.idle_pss_mib", mib, "MiB", 1),
    ]


def make_run(data: Path) -> tuple[subprocess.Popen[bytes], int]:
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NANOPORTAL_", "BENCH_", "MAKE"))}
    process = subprocess.Popen(
        ["make", "--no-print-directory", "run", f"PORT={port}", f"DATA={data}"],
        cwd=PROJECT,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    return process, port


def first_page(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/login/", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def tree_pss_mib(root: int) -> float:
    """Sum of the proportional set sizes of a process and all below it."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents.setdefault(int(fields[1]), []).append(int(entry.parent.name))
    total, waiting = 0, [root]
    while waiting:
        pid = waiting.pop()
        waiting += parents.get(pid, [])
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(rollup.partition("Pss:")[2].split()[0])
    return total / 1024
