"""What consoles of a portal said before it was started: recordings, as its daemon would have made them."""

from datetime import UTC, datetime, timedelta

from consoles.markers import DAEMON_AWAY, STAGE, Marker
from consoles.recordings.writer import RecordingWriter
from tests.portal import Portal

NOW = datetime.now(UTC).replace(microsecond=0)
LAST_NIGHT, YESTERDAY = NOW - timedelta(hours=11), NOW - timedelta(days=1, hours=2)
KESTREL, MERLIN, WREN = 3, 5, 6  # slots
ATTACK = (
    b"\x1b]0;owned\x07\x1b]2;owned\x1b\\\x1b]52;c;b3duZWQ=\x07\x1b]8;;https://evil.example/\x07press me\x1b]8;;\x07"
    b"\x1b[21t\x1b[8;4;10t\x1b]11;?\x07\x1bP$qm\x1b\\\x1b_Ga=q\x1b\\ https://evil.example/then\r\nthe end of it\r\n"
)


def said_before(portal: Portal) -> None:
    """Slot 5 panicked last night while nobody watched; slot 3 panicked yesterday after hours of silence, and slot 6
    printed an attack then."""
    panic = b"\r\n[  591.0] \x1b[31mKernel panic\x1b[0m - not syncing: \x1b]0;owned\x07out of memory\r\n"
    last_night: list[tuple[float, bytes | str]] = [
        (0, b"U-Boot 2023.01 (Jan 01 2026)\r\n"),
        (0, "boot-loader"),
        (4, b"[    0.000000] Linux version 6.1.0\r\n"),
        (4, "kernel"),
        (12, b"\r\nmerlin login: "),
        (12, "login"),
        (600, b"\r\n[  588.1] watchdog: CPU stuck for 22s"),
        (603, panic),
        (603, "panic"),
        (605, b"[  593.2] Rebooting in 60 seconds..\r\n"),
    ]
    yesterday: list[tuple[float, bytes | str]] = [
        (0, b"U-Boot 2023.01 (Jan 01 2026)\r\n"),
        (0, "boot-loader"),
        (1, b"[    0.000000] Linux version 6.1.0\r\n"),
        (1, "kernel"),
        (12, b"\r\nkestrel login: "),
        (12, "login"),
        (5000, "away"),
        (9000, b"\r\n[ 8988.0] Kernel panic - not syncing: no init found\r\n"),
        (9000, "panic"),
        (9002, b"[ 8990.0] Rebooting in 60 seconds..\r\n"),
    ]
    _record(portal, MERLIN, LAST_NIGHT, last_night)
    _record(portal, KESTREL, YESTERDAY, yesterday)
    _record(portal, WREN, YESTERDAY, [(0, b"before\r\n"), (0.5, ATTACK), (1, b"after\r\n")])


def _record(portal: Portal, slot: int, began: datetime, said: list[tuple[float, bytes | str]]) -> None:
    """Bytes, and stages by name; "away" is a daemon that was."""
    directory = portal.data / "var" / "consoles" / "demo" / str(slot)
    writer = RecordingWriter(directory, 2**26, timedelta(days=30), lambda: began)
    for seconds, what in said:
        at = began + timedelta(seconds=seconds)
        if isinstance(what, bytes):
            writer.append(what, at.timestamp())
        elif what == "away":
            gap = "Nobody listened for 9 s: an unknown number of bytes is missing here."
            writer.mark(Marker(DAEMON_AWAY, at, gap))
        else:
            writer.mark(Marker(STAGE, at, f"{what.capitalize()} seen.", {"stage": what}))
    writer.close()
