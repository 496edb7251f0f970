"""The only way out of the audit log: old entries go to a file, and a checkpoint in the chain says what went.

No other code lifts the trigger that refuses to remove entries, and it does so within the transaction that also writes
the checkpoint: there is no moment at which somebody else could remove one.
"""

import fcntl
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from operations import audit, exporting, verifying
from operations.models import AuditEntry, AuditHead
from operations.refusals import Conflict
from operations.rights import PORTAL
from operations.roles import Actor
from operations.verifying import RETAIN, Place

#: Entries of one round, which is one file, one transaction and one checkpoint: as many as can be removed while others
#: wait for the log (ADR 20 has the figures).
ROUND = 20_000
TRIGGER, TABLE = {"sqlite": "audit_no_delete", "postgresql": "audit_no_change"}, "operations_auditentry"


@dataclass(frozen=True)
class Retired:
    """What one round took out: the numbers of the first and the last entry, where they are now, and the checkpoint."""

    first: int
    last: int
    file: Path
    sha256: str
    checkpoint: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


def retain(since: datetime, folder: Path, actor: Actor) -> Iterator[Retired]:
    """Move all entries from before the first one of `since` or later into files of `folder`, round by round.

    Verifies the chain first, and each file before its entries go. Raises `Conflict` if something is not whole, and
    OSError if a file cannot be written; rounds that were done stay done, and nothing is half done. Blocks for minutes
    if there are many; whoever records an act meanwhile waits for one round at most.
    """
    verdict = verifying.verify()
    verifying.remember(verdict)
    if not verdict.whole:
        raise Conflict(
            f"The chain is broken at entry {verdict.broken_at}: {verdict.problem}. Nothing was taken out; keep a copy "
            "of the database before anything else is done to it.",
            code="audit-broken",
        )
    end = _last_before(since)
    place = verifying.beginning()
    while place.last < end:
        done = _round(place, _end_of_round(place.last + 1, end, folder), since, folder, actor)
        yield done
        place = verifying.beginning()


def _last_before(since: datetime) -> int:
    """The number of the last entry that lies before all of `since` or later. A time in the future was written by a
    clock that was wrong, and keeps nothing."""
    kept = AuditEntry.objects.filter(at__gte=since, at__lte=timezone.now()).order_by("seq")
    numbers = kept.values_list("seq", flat=True)[:1]
    if numbers:
        return int(numbers[0]) - 1
    newest = AuditEntry.objects.order_by("-seq").values_list("seq", flat=True)[:1]
    return int(newest[0]) if newest else 0


def _end_of_round(first: int, end: int, folder: Path) -> int:
    """The last entry of the round that begins at `first`: where one ended that was stopped before its entries went, as
    else two files would begin at the same entry."""
    left = [file.stem.rpartition("-")[2] for file in folder.glob(f"audit-{first:09}-*.jsonl")]
    ends = [int(number) for number in left if number.isdecimal() and first <= int(number) <= end]
    return min(ends, default=min(first + ROUND - 1, end))


def _round(place: Place, last: int, since: datetime, folder: Path, actor: Actor) -> Retired:
    """Export, verify what was exported, take it out and write the checkpoint."""
    leaving = AuditEntry.objects.filter(seq__gt=place.last, seq__lte=last)
    file = folder / f"audit-{place.last + 1:09}-{last:09}.jsonl"
    sha256 = _write(file, exporting.pieces(leaving, "jsonl"))
    with open(file, encoding="utf-8") as lines:
        reached = verifying.verify_lines(lines, place)
    if not isinstance(reached, Place) or reached.last != last:
        problem = "it ends too early" if isinstance(reached, Place) else reached.problem
        raise Conflict(f"{file} is not what the log holds: {problem}. Nothing was taken out.", code="audit-broken")
    detail = {
        "from": place.last + 1,
        "to": last,
        "mac": reached.mac,
        "sha256": sha256,
        "file": file.name,
        "before": {"first entry": place.last + 1},
        "after": {"first entry": last + 1},
        "message": f"Entries {place.last + 1} to {last}, all from before {since:%Y-%m-%d}, went to {file.name}.",
    }
    with transaction.atomic():
        _remove(last, reached)
        checkpoint = audit.record(RETAIN, actor=actor, target=PORTAL, detail=detail)
    return Retired(place.last + 1, last, file, sha256, checkpoint)


def _write(file: Path, pieces: Iterator[str]) -> str:
    """Write a file that is there whole or not at all, readable by its owner only; its SHA-256. A file of this name that
    an earlier round left, which then could not take its entries out, is the same and is written once more."""
    digest = hashlib.sha256()
    part = file.with_name("audit.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"{part} is being written by another run; wait for its end.", code="busy") from None
        stream.truncate(0)
        for piece in pieces:
            digest.update(piece.encode())
            stream.write(piece.encode())
        stream.flush()
        os.fsync(stream.fileno())
    if file.exists() and hashlib.sha256(file.read_bytes()).digest() != digest.digest():
        part.unlink()
        raise Conflict(f"{file} exists and holds something else; name another directory.", code="file-exists")
    part.rename(file)
    directory = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
    return digest.hexdigest()


def _remove(last: int, reached: Place) -> None:
    """Lift the trigger, remove the entries up to `last`, put the trigger back: inside the caller's transaction."""
    name = TRIGGER[connection.vendor]
    AuditHead.objects.filter(pk=1).update(seq=F("seq"))  # first, as whoever records an act has it before the table
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE {TABLE} DISABLE TRIGGER {name}")
            back = f"ALTER TABLE {TABLE} ENABLE TRIGGER {name}"
        else:
            cursor.execute("SELECT sql FROM sqlite_master WHERE type = 'trigger' AND name = %s", [name])
            back = cursor.fetchone()[0]
            cursor.execute(f"DROP TRIGGER {name}")
        mac = AuditEntry.objects.filter(seq=last).values_list("mac", flat=True).first()
        if mac != reached.mac:
            raise Conflict(f"Entry {last} has changed since it was exported. Nothing was taken out.", code="outdated")
        cursor.execute(f"DELETE FROM {TABLE} WHERE seq <= %s", [last])
        cursor.execute(back)
