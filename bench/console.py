"""Consoles: from a keystroke to its echo, a flood on seven UARTs, and what a delivered megabyte costs.

The same program (`bench.peer`) sits behind a pseudo-terminal of the same kind three times: behind the portal, behind
ser2net, which anybody reaches by raw TCP (the floor), and behind terminado, by WebSocket (what a web developer would
pick). Keystrokes take turns, so that all three see the same machine.
"""

import asyncio
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench.consoles import PORTAL, SER2NET, TERMINADO, Line, PortalLine, Watchers, open_line
from bench.figures import Figure, percentiles
from bench.peer import FLOOD_BYTES, FLOOD_KEY, FLOOD_SECONDS
from bench.power import workspace
from tests.flood import LINE_RATE, Flood
from tests.portal import Portal, free_port
from tests.simulated import SimulatedBoard
from tests.viewers import Viewers

SAMPLES = 800
PAUSE_SECONDS = (0.008, 0.03)  # between keystrokes: each is alone
MANY = 50
SLOT = 3
FLOOD_FOR_SECONDS = 10.0
FLOODED_SLOTS = range(1, 8)
OTHERS = (SER2NET, TERMINADO)
PROJECT = Path(__file__).resolve().parent.parent
SERVING = ("web", "consoled", "broker")  # whose processor time a byte costs


def measure() -> list[Figure]:
    """All figures of this benchmark."""
    require_ser2net()
    with workspace() as folder:
        figures = keystrokes_and_costs(folder / "echo")
        figures += flood(folder / "flood")
        figures += stalled(folder / "stalled")
        return figures


def require_ser2net() -> None:
    """Install the baseline as root on Debian, else ask for it."""
    if shutil.which("ser2net"):
        return
    install = ["apt-get", "-qq", "install", "--no-install-recommends", "--yes", "ser2net"]
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise SystemExit("bench console compares with ser2net; on Debian: apt-get install ser2net")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "-qq", "update"], install):
        subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL)


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[str]]:
    """A program that says "ready" and serves."""
    process = subprocess.Popen([sys.executable, "-m", *command], cwd=PROJECT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def ser2net(folder: Path, device: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    configuration = folder / "ser2net.yaml"
    configuration.write_text(
        f"connection: &line\n  accepter: tcp,127.0.0.1,{port}\n"
        f"  connector: serialdev(nouucplock=true),{device},921600n81,local\n  options:\n    max-connections: 60\n"
    )
    process = subprocess.Popen(["ser2net", "-n", "-c", str(configuration)], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(10)


def on_lines(folder: Path, links: dict[int, Path], **more: Any) -> Portal:
    """A portal in real time whose UARTs are these devices."""
    board = SimulatedBoard(folder / "board", scale=1)
    board.uarts = links
    return Portal(folder, scale=1, board=board, **more)


def cookie_of(portal: Portal) -> str:
    return "; ".join(f"{name}={value}" for name, value in portal.sign_in().http.cookies.items())


def keystrokes_and_costs(folder: Path) -> list[Figure]:
    """The three systems side by side: echo with one viewer and with fifty, then a flood through each alone."""
    folder.mkdir(parents=True)
    links = {SLOT: folder / "portal-line", 0: folder / "ser2net-line"}
    ports = {SER2NET: free_port(), TERMINADO: free_port()}
    with ExitStack() as stack:
        stack.enter_context(running("bench.peer", *map(str, links.values())))
        terminado = stack.enter_context(running("bench.terminal_server", str(ports[TERMINADO])))
        tcp = stack.enter_context(ser2net(folder, links[0], ports[SER2NET]))
        portal = on_lines(folder, {SLOT: links[SLOT]})
        stack.callback(portal.close)
        portal.start()
        where: dict[str, dict[str, Any]] = {kind: {"port": port} for kind, port in ports.items()}
        where[PORTAL] = {"port": portal.port, "cookie": cookie_of(portal), "slot": SLOT}
        children = portal.children()
        pids = {PORTAL: [children[name] for name in SERVING], SER2NET: [tcp.pid], TERMINADO: [terminado.pid]}
        figures = asyncio.run(with_viewers(1, where, pids))
        watchers = Watchers([(kind, place, MANY - 1) for kind, place in where.items()])
        stack.callback(watchers.close)
        return figures + asyncio.run(with_viewers(MANY, where, pids, watchers))


async def with_viewers(
    viewers: int, where: dict[str, dict[str, Any]], pids: dict[str, list[int]], watchers: Watchers | None = None
) -> list[Figure]:
    """Figures with that many viewers, the typist included."""
    lines = {kind: await open_line(kind, place) for kind, place in where.items()}
    portal_line = lines[PORTAL]
    assert isinstance(portal_line, PortalLine)
    await portal_line.take()
    samples: dict[str, list[float]] = {kind: [] for kind in lines}
    for number in range(SAMPLES + 20):
        for kind, line in lines.items():
            key = bytes([ord("a") + number % 26])
            milliseconds = await line.stroke(key)
            if number >= 20:
                samples[kind].append(milliseconds)
            await asyncio.sleep(random.uniform(*PAUSE_SECONDS))
    figures = [
        Figure(ours.name, ours.value, "ms", ours.samples, {kind: rows[n].value for kind, rows in beside.items()})
        for beside in [{kind: percentiles(kind, samples[kind]) for kind in OTHERS}]
        for n, ours in enumerate(percentiles(f"console.echo_ms.viewers_{viewers}", samples[PORTAL]))
    ]
    costs = {kind: await cost(line, pids[kind], viewers) for kind, line in lines.items()}
    name = "console.cpu_s_per_mb" if viewers == 1 else f"console.cpu_s_per_mb.viewers_{viewers}"
    beside = {kind: costs[kind] for kind in OTHERS}
    return [*figures, Figure(name, costs[PORTAL], "s/MB", viewers, beside)]


async def cost(line: Line, pids: list[int], viewers: int) -> float:
    """Processor seconds for a megabyte that reached a viewer, in a flood at line rate."""
    before, received = processor_seconds(pids), line.received
    line.on_bytes = lambda data: None
    line.type(FLOOD_KEY)
    deadline = time.monotonic() + FLOOD_SECONDS + 20
    while line.received - received < FLOOD_BYTES and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.2)  # the other viewers' last bytes
    delivered = (line.received - received) * viewers
    return (processor_seconds(pids) - before) / (delivered / 1e6)


def processor_seconds(pids: list[int]) -> float:
    """User and system time of these processes."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def peak_mib(pid: int) -> float:
    """The most that a process has had resident."""
    return int(Path(f"/proc/{pid}/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024


def audience(many_slot: int) -> list[dict[str, Any]]:
    """Fifty on one console and five on each other, some of them slow, stalled and coming back."""
    rows = []
    for slot in FLOODED_SLOTS:
        others = ["slow", "stalled", "reconnecting"] if slot == many_slot else ["slow"]
        prompt = (MANY if slot == many_slot else 5) - len(others)
        rows += [{"slot": slot, "kind": kind, "delay": 0.5} for kind in ["prompt"] * prompt + others]
    return rows


def flood(folder: Path) -> list[Figure]:
    """Seven UARTs at 921600 baud and eighty viewers: what of it was neither delivered nor announced as missing."""
    with Flood(folder / "lines", list(FLOODED_SLOTS)) as lines:
        portal = on_lines(folder, lines.links)
        try:
            portal.start()
            with Viewers(portal.port, cookie_of(portal), audience(SLOT)) as viewers:
                lines.begin(FLOOD_FOR_SECONDS)
                said = {slot: line["said"] for slot, line in lines.end()["lines"].items()}
                viewers.ask("settle")
                viewers.ask("wake")
                viewers.ask("wait-place", places=said, seconds=60)
                reports = viewers.ask("report")
            peak = peak_mib(portal.children()["web"])
        finally:
            portal.close()
    delivered = sum(report["delivered"] for report in reports)
    announced = sum(report["announced"] for report in reports)
    due = sum(said[report["slot"]] for report in reports)
    return [
        Figure("console.flood.sent_bytes", sum(said.values()), "bytes", len(said)),
        Figure("console.flood.unaccounted_bytes", due - delivered - announced, "bytes", len(reports)),
        Figure("console.flood.delivered_mb", delivered / 1e6, "MB", len(reports)),
        Figure("console.flood.announced_mb", announced / 1e6, "MB", len(reports)),
        Figure("console.flood.web_peak_mib", peak, "MiB", 1),
    ]


def stalled(folder: Path) -> list[Figure]:
    """How much the web process grows with fifty viewers that take nothing while their console floods."""
    with Flood(folder / "lines", [SLOT]) as lines:
        portal = on_lines(folder, lines.links)
        try:
            portal.start()
            cookie = cookie_of(portal)
            kinds = ["stalled"] * (MANY // 2) + ["deaf"] * (MANY // 2)
            with Viewers(portal.port, cookie, [{"slot": SLOT, "kind": kind} for kind in kinds]):
                before = peak_mib(portal.children()["web"])
                lines.begin(FLOOD_FOR_SECONDS, rate=LINE_RATE)
                lines.end()
                growth = peak_mib(portal.children()["web"]) - before
        finally:
            portal.close()
    return [Figure("console.stalled_50.web_growth_mib", growth, "MiB", 1)]
