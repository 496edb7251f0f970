"""`manage.py consoled`: the console daemon of all local boards."""

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, transaction
from django.utils import timezone

from consoles.daemon import AWAY, PRINTS, Daemon, Line, log
from consoles.services import lock
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
        daemon = Daemon(lines(), report, timezone.now, settings.TIME_SCALE)
        signal.signal(signal.SIGTERM, lambda *_: daemon.stop.set())
        signal.signal(signal.SIGINT, lambda *_: daemon.stop.set())
        daemon.run()


def lines() -> list[Line]:
    """Every slot with a serial port in its board file, at the speed of its SOM."""
    found = []
    for slug, spec in catalogue.board_specs().items():
        bauds = dict(Slot.objects.filter(board__slug=slug).values_list("number", "som__som_type__baud"))
        for number, wiring in spec.slots.items():
            if wiring.uart:
                found.append(Line(slug, number, wiring.uart, bauds.get(number) or 115200))
    return found


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
