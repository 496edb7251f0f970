"""`manage.py consoled`: the console daemon of all local boards."""

import gc
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, transaction
from django.utils import timezone

from consoles.daemon import Daemon, log
from consoles.desk import Outside
from consoles.lines import AWAY, PRINTS, Line
from consoles.services import lock, ports
from consoles.stages import Seen
from slots.models import EvidenceKind, Slot
from slots.services import catalogue, inventory


class Command(BaseCommand):
    help = "Own every mapped UART: read what comes and keep the slots' evidence. Runs until it is told to stop."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lock.take_lock()
        except lock.DaemonRuns as error:
            raise CommandError(str(error)) from error
        # The second thread gives way within half a millisecond when a byte or a key is there.
        sys.setswitchinterval(0.0005)
        gc.freeze()  # what Django brought along stays: looking through it for garbage would keep a byte waiting
        directory = Path(settings.DATA_DIR) / "consoles"
        directory.mkdir(exist_ok=True)
        outside = Outside(report, port_settings, report_stage, directory)
        try:
            daemon = Daemon(lines(), outside, timezone.now, settings.TIME_SCALE, settings.JOURNAL_URL)
        except ValueError as error:
            raise CommandError(str(error)) from error
        signal.signal(signal.SIGTERM, lambda *_: daemon.stop.set())
        signal.signal(signal.SIGINT, lambda *_: daemon.stop.set())
        daemon.run()


def lines() -> list[Line]:
    """Every slot with a serial port in its board file, at the speed of its settings."""
    known = ports.port_settings()
    found = []
    for slug, spec in catalogue.board_specs().items():
        for number, wiring in spec.slots.items():
            if wiring.uart:
                port = known.get((slug, number))
                found.append(Line(slug, number, wiring.uart, port.baud if port else ports.DEFAULT_BAUD))
    return found


def port_settings() -> dict[tuple[str, int], ports.PortSettings]:
    """The settings of every port; none while the database is busy or away."""
    try:
        return ports.port_settings()
    except DatabaseError as error:
        log.warning("settings of the consoles not read: %s", error)
        return {}


def report_stage(line: Line, seen: Seen) -> None:
    """Keep what was seen of a boot; a database that is busy or away costs this one."""
    try:
        slot = Slot.objects.select_related("board").get(board__slug=line.board, number=line.slot)
        inventory.record_stage(slot, seen.stage, seen.words, datetime.fromtimestamp(seen.at, UTC))
    except (DatabaseError, Slot.DoesNotExist) as error:
        log.warning("a stage of %s slot %d not kept: %s", line.board, line.slot, error)


def report(said: list[tuple[Line, str]]) -> None:
    """Write evidence in one transaction; a database that is busy or away costs this report only."""
    try:
        with transaction.atomic():
            for line, words in said:
                slot = Slot.objects.select_related("board").get(board__slug=line.board, number=line.slot)
                life = None if words == AWAY else words == PRINTS
                inventory.record_evidence(
                    slot, EvidenceKind.UART, words, timezone.now(), life=life, life_at=line.printed_at
                )
    except (DatabaseError, Slot.DoesNotExist) as error:
        log.warning("evidence of the consoles not kept: %s", error)
