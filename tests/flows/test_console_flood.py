"""Nothing is lost in silence: seven UARTs at full line rate, eighty viewers, and everything that may die in between.

Every byte arrives at every viewer once and in order, or the viewer is told exactly how many it missed.
"""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.console import Console
from tests.flood import LINE_RATE, Flood
from tests.flows.broker import Broker
from tests.flows.scene import Scene
from tests.simulated import SimulatedBoard
from tests.viewers import Viewers

quiet = pytest.mark.quiet  # what says how fast, or how precisely, or speaks faster than a line does
SLOTS = list(range(1, 8))
CROWDED = 3  # the console with fifty viewers
CATCH_UP_SECONDS = 40.0
BACK_SECONDS = 40.0  # for a daemon that was killed
WINDOW_BYTES = 65_536  # what a viewer may have unacknowledged
SHORT, LONG = 5.0, pytest.param(60.0, marks=pytest.mark.soak)


class House:
    """A portal whose seven UARTs this test floods, on a broker that it may take away, by a clock that it may set."""

    def __init__(self, folder: Path) -> None:
        self.clock = folder / "clock"
        self.clock.write_text("0")
        environment = {"PYTHONPATH": str(Path(__file__).with_name("clock")), "SET_CLOCK_FILE": str(self.clock)}
        self.lines = Flood(folder / "lines", SLOTS)
        board = SimulatedBoard(folder / "board", scale=10.0)
        board.uarts = self.lines.links
        self.broker = Broker(folder)
        self.broker.start()
        self.scene = Scene(folder, board=board, REDIS_URL=self.broker.url, **environment)
        self.scene.start()
        self.cookie = "; ".join(f"{name}={value}" for name, value in self.scene.client.http.cookies.items())

    def watched_by(self, rows: list[dict[str, Any]]) -> Viewers:
        return Viewers(self.scene.portal.port, self.cookie, rows)

    def web_mib(self, field: str) -> float:
        """A figure of the web process's memory, as /proc names it."""
        text = Path(f"/proc/{self.scene.portal.children()['web']}/status").read_text()
        return int(text.partition(f"{field}:")[2].split()[0]) / 1024

    def forget_peak(self) -> None:
        """Let the web process's peak begin anew (proc(5), clear_refs)."""
        Path(f"/proc/{self.scene.portal.children()['web']}/clear_refs").write_text("5")

    def close(self) -> None:
        self.scene.close()
        self.broker.kill()
        self.lines.__exit__()


@pytest.fixture(scope="module")
def _house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("flood"))
    yield house
    house.close()


@pytest.fixture
def house(_house: House) -> House:
    _house.broker.start()
    _house.scene.wait_healthy()
    return _house


def audience(crowd: int, others: int) -> list[dict[str, Any]]:
    """`crowd` viewers on one console and `others` on each other one; of all kinds where there is room for them."""
    kinds = ["slow", "reconnecting", "stalled", "deaf", "slow", "reconnecting", "stalled", "deaf"]
    rows = []
    for slot in SLOTS:
        count = crowd if slot == CROWDED else others
        some = kinds if count > len(kinds) else kinds[: count - 1]
        rows += [{"slot": slot, "kind": kind, "delay": 0.3} for kind in [*some, *["prompt"] * (count - len(some))]]
    return rows


def settled(viewers: Viewers, said: dict[int, int]) -> list[dict[str, Any]]:
    """Everybody's account once everybody has come to the end."""
    viewers.ask("settle")
    viewers.ask("wake")
    came = viewers.ask("wait-place", places=said, seconds=CATCH_UP_SECONDS)
    reports: list[dict[str, Any]] = viewers.ask("report")
    behind = [row for row in reports if row["place"] < said[row["slot"]]]
    assert came, f"{len(behind)} viewers did not come to the end: {[short(row) for row in behind[:4]]}"
    return reports


def short(report: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in report.items() if name not in ("seen_at", "markers")}


def assert_accounted(reports: list[dict[str, Any]], began: dict[int, int], said: dict[int, int]) -> None:
    """Every viewer had every byte that was said since `began`, or was told of it; nothing twice, nothing wrong."""
    for report in reports:
        assert report["wrong"] == [], short(report)
        assert report["place"] == said[report["slot"]], short(report)
        assert report["began"] <= began[report["slot"]], short(report)
        unknown = sum(end - begin for begin, end in report["unknown"])
        assert report["delivered"] + report["announced"] + unknown == report["place"] - report["began"], short(report)


def speak(house: House, seconds: float, **more: Any) -> Callable[[], dict[int, dict[str, int]]]:
    """Let lines speak; what is returned waits for the end, at which no line may have waited for its reader."""
    before = house.lines.ask()
    house.lines.begin(seconds, **more)

    def end() -> dict[int, dict[str, int]]:
        lines: dict[int, dict[str, int]] = house.lines.end()["lines"]
        for slot, line in lines.items():
            assert line["overrun"] == before[slot]["overrun"], (slot, line)
        return lines

    return end


def places(lines: dict[int, dict[str, int]]) -> dict[int, int]:
    return {slot: line["said"] for slot, line in lines.items()}


def heard(house: House, lines: dict[int, dict[str, int]]) -> dict[int, dict[str, int]]:
    """Let lines go on until all of a piece is heard: a daemon that was killed comes back when it can."""
    deadline = time.monotonic() + BACK_SECONDS
    while True:
        before, lines = lines, speak(house, 0.3)()
        if all(lines[slot]["vanished"] == before[slot]["vanished"] for slot in SLOTS):
            return lines
        assert time.monotonic() < deadline, "nobody listens any more"


def flooded(house: House, seconds: float, rows: list[dict[str, Any]], meanwhile: Any = None) -> list[dict[str, Any]]:
    """Flood all lines before those viewers, do something in the middle, and have the accounts of all."""
    before = house.lines.ask()
    began = places(before)
    with house.watched_by(rows) as viewers:
        end = speak(house, seconds)
        if meanwhile is not None:
            time.sleep(seconds * 0.3)
            meanwhile()
        lines = end()
        if any(lines[slot]["vanished"] > before[slot]["vanished"] for slot in SLOTS):
            lines = heard(house, lines)
        reports = settled(viewers, places(lines))
    assert_accounted(reports, began, places(lines))
    for report in reports:  # what was unknown before is history
        report["unknown"] = [stretch for stretch in report["unknown"] if stretch[1] > began[report["slot"]]]
    return reports


@quiet
@pytest.mark.parametrize("seconds", [SHORT, LONG])
def test_seven_uarts_at_full_rate_reach_eighty_viewers_byte_for_byte(house: House, seconds: float) -> None:
    reports = flooded(house, seconds, audience(50, 5))
    missed = [short(report) for report in reports if report["kind"] == "prompt" and report["announced"]]
    assert missed == [], "slow viewers never delay prompt ones"


@quiet
@pytest.mark.parametrize("seconds", [SHORT, LONG])
def test_the_web_process_is_killed_in_the_middle_and_viewers_come_back_where_they_were(
    house: House, seconds: float
) -> None:
    reports = flooded(house, seconds, audience(12, 2), lambda: house.scene.kill("web"))
    assert all(report["connects"] > 1 for report in reports)
    house.scene.wait_healed("web")


@pytest.mark.parametrize(("seconds", "away"), [(2.0, 1.0), pytest.param(60.0, 10.0, marks=pytest.mark.soak)])
def test_a_broker_that_does_not_answer_costs_no_byte(house: House, seconds: float, away: float) -> None:
    """What comes in ten seconds at line rate fits what the daemon keeps."""

    def hang() -> None:
        with house.broker.hung():
            time.sleep(away)

    reports = flooded(house, seconds, audience(4, 1), hang)
    assert {report["announced"] for report in reports if report["kind"] == "prompt"} == {0}


@quiet
def test_what_the_daemon_cannot_keep_for_a_broker_that_is_away_too_long_is_a_gap_of_exact_size(house: House) -> None:
    began = places(house.lines.ask())
    with house.watched_by([{"slot": CROWDED, "kind": "prompt"}]) as viewers:
        with house.broker.hung():
            lines = speak(house, 2.0, rate=LINE_RATE * 10, slots=[CROWDED])()
        [report] = settled(viewers, {CROWDED: lines[CROWDED]["said"]})
    assert_accounted([report], began, places(lines))
    assert report["announced"] > 500_000


@pytest.mark.parametrize("seconds", [2.0, LONG])
def test_a_broker_that_lost_its_data_leads_no_viewer_into_new_data_by_an_old_cursor(
    house: House, seconds: float
) -> None:
    def lose() -> None:
        house.broker.kill()
        house.broker.start()

    reports = flooded(house, seconds, audience(4, 1), lose)
    assert len({(report["slot"], report["epoch"]) for report in reports}) == len(SLOTS)
    for report in reports:
        assert report["unknown"] == [], "the daemon knew its count all the time"


@quiet
@pytest.mark.parametrize("seconds", [1.5, LONG])
def test_a_killed_daemon_leaves_one_missing_stretch_no_longer_than_it_was_away(house: House, seconds: float) -> None:
    began = house.lines.ask()
    rows = [row for row in audience(6, 2) if row["kind"] not in ("stalled", "deaf")]  # they would miss more than that
    reports = flooded(house, seconds, rows, lambda: house.scene.kill("consoled"))
    ended = house.lines.ask()
    for report in reports:
        slot = report["slot"]
        [(last, first)] = report["unknown"]
        away_bytes = ended[slot]["vanished"] - began[slot]["vanished"]
        assert away_bytes <= first - last <= away_bytes + 0.05 * LINE_RATE, short(report)
        away = [detail for kind, _, detail in report["markers"] if kind == "daemon-away"][-1]
        assert away["lost"] is None
        assert away["away_seconds"] < (first - last) / LINE_RATE + 1
        assert len({tuple(map(tuple, row["unknown"])) for row in reports if row["slot"] == slot}) == 1
    house.scene.wait_healed("consoled")


def test_a_count_that_had_to_begin_anew_is_taken_for_no_old_one(house: House) -> None:
    """Broker, daemon and the daemon's notes are lost together: offsets that were used before come again."""

    def lose() -> None:
        with house.scene.stopped("consoled"):  # else it would write its notes again
            house.broker.kill()
            for note in (house.scene.data / "consoles").glob("*.json"):
                note.unlink()
            house.scene.kill("consoled")
        house.broker.start()

    reports = flooded(house, 1.5, audience(4, 1), lose)
    assert [len(report["unknown"]) for report in reports] == [1] * len(reports), str(short(reports[0]))
    house.scene.wait_healed("consoled")


@quiet
def test_fifty_stalled_viewers_cost_the_web_process_little_memory(house: House) -> None:
    kinds = ["stalled"] * 25 + ["deaf"] * 25
    with house.watched_by([{"slot": CROWDED, "kind": kind} for kind in kinds]) as viewers:
        house.forget_peak()
        before = house.web_mib("VmRSS")
        speak(house, 2.0, rate=LINE_RATE * 3, slots=[CROWDED])()
        growth = house.web_mib("VmHWM") - before
        reports = viewers.ask("report")
    print(f"50 stalled viewers: the web process grew by {growth:.1f} MiB")
    assert max(report["delivered"] for report in reports) <= WINDOW_BYTES
    assert growth < 50 * WINDOW_BYTES / 2**20 + 8, "what fifty windows hold, and the journal's last mebibyte"


@pytest.mark.parametrize("seconds", [3.2, LONG])
def test_chatter_that_fills_the_broker_never_stops_a_reset(house: House, seconds: float) -> None:
    """Seven consoles of single bytes; the journals held all that the broker may hold before they began."""
    limit = house.broker.used_bytes()
    with house.broker.short_of_memory(limit):
        end = speak(house, seconds, rate=200)  # each tick a byte, each byte an entry
        house.scene.wait(lambda: house.broker.used_bytes() < limit * 0.8, "the daemon to trim its journals")
        house.scene.do(2, "ForceRestart")
        end()
        house.scene.do(5, "ForceRestart")


def test_a_clock_that_is_set_back_changes_nothing_of_what_arrives(house: House) -> None:
    def set_back() -> None:
        house.clock.write_text("-86400")
        time.sleep(0.3)
        house.scene.kill("consoled")

    try:
        reports = flooded(house, 1.5, audience(2, 1), set_back)
        assert {len(report["unknown"]) for report in reports} == {1}, "the daemon was killed, too"
        with Console(house.scene.client, CROWDED) as console:
            console.skip_history()
            console.take()
            house.lines.begin_echo(CROWDED, 1.0)
            console.type("still typed<end>")
            assert console.until("<end>") == b"still typed<end>"
            house.lines.end()
            assert console.hello["port"]["since"] < datetime.now(UTC).isoformat()[:10], "yesterday, by that clock"
    finally:
        house.clock.write_text("0")
    house.scene.wait_healed("consoled")


def test_nothing_that_a_line_says_does_any_harm(house: House) -> None:
    """The last test of this file: what it says is no part of the stream."""
    sayings = {
        "half a letter": "grüße ☃".encode()[:-2],
        "its other half": "☃\r\n".encode()[1:],
        "every byte": bytes(range(256)) * 64,
        "a mebibyte without a newline": b"x" * 2**20,
        "titles without end": b"\x1b]0;evil" * 20_000,
        "strings that nobody ends": b"\x1bP\x1b_\x1b^\x1bX\x90\x9d" * 10_000,
        "only escapes": b"\x1b[" * 50_000,
    }
    with Console(house.scene.client, CROWDED) as console:
        console.skip_history()
        for what, said in sayings.items():
            for begin in range(0, len(said), 65_536):  # no faster than it is read: a line is not, either
                piece = said[begin : begin + 65_536]
                house.lines.send(CROWDED, piece)
                assert console.take_bytes(len(piece)) == piece, what
    house.scene.wait_healthy()


def test_a_line_that_echoes_what_it_is_told_is_told_it_once(house: House) -> None:
    with Console(house.scene.client, CROWDED) as console:
        console.skip_history()
        console.take()
        house.lines.begin_echo(CROWDED, 1.0)
        console.type("once")
        house.lines.end()
        console.type("<end>")
        house.lines.send(CROWDED, b"<end>")
        assert console.until(b"<end>") == b"once<end>"
