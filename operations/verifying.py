"""Whether the audit log's chain is whole: a walk from its first entry to its head, in steps of any size.

A walk takes no lock and keeps nothing but its place: memory does not grow with the log, nobody has to wait, and what is
appended meanwhile is checked as well. Where retention took old entries out, the walk begins behind its last checkpoint,
an entry of the chain that says up to which number and with which signature (`operations.retention`).
"""

import contextlib
import json
import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connection
from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from operations.audit import COLUMNS, GENESIS, canonical, head_file, remembered, sign
from operations.models import AuditEntry, AuditHead

CHUNK = 2000
WALK_SECONDS = 1.0
RETAIN = "audit.retain"
log = logging.getLogger("nanoportal.audit")
#: Time and operation as they are written in the database: what no filter finds there is not what was signed.
WRITTEN = {"moment": Cast("at", TextField()), "operation": Cast("operation_id", TextField())}
ROW = ("seq", "text", "mac", *WRITTEN, *COLUMNS)


class Unreadable(Exception):
    """An entry holds bytes that are no text; SQLite takes any."""


@dataclass(frozen=True)
class Verdict:
    """Result of a walk: how many entries were checked and, when broken, the number of the first bad one and why."""

    checked: int
    broken_at: int | None = None
    problem: str = ""

    @property
    def whole(self) -> bool:
        return self.broken_at is None


@dataclass(frozen=True)
class Place:
    """How far a walk has come: the last checked entry's number and signature, and behind which entry it began."""

    last: int = 0
    mac: str = GENESIS
    began: int = 0

    @property
    def checked(self) -> int:
        return self.last - self.began


def beginning() -> Place:
    """Where a walk begins: before the first entry, or behind what retention took out."""
    upto, mac = newest_checkpoint()
    return Place(upto, mac, upto)


def newest_checkpoint() -> tuple[int, str]:
    """The last entry that retention took out, and its signature; (0, GENESIS) if it never did.

    It is what the newest checkpoint says that says anything. The walk that begins there comes by that checkpoint
    itself, and an entry that somebody made up without the key breaks the chain.
    """
    said = AuditEntry.objects.filter(action=RETAIN, outcome="done").order_by("-seq").values_list("pk", flat=True)
    return next((place for seq in said if (place := _checkpoint(seq))), (0, GENESIS))


def _checkpoint(seq: int) -> tuple[int, str] | None:
    try:
        detail = json.loads(_all(AuditEntry.objects.filter(pk=seq).values_list("text", flat=True))[0])["detail"]
        upto, mac = detail["to"], str(detail["mac"])
        return (upto, mac) if isinstance(upto, int) and 0 < upto < seq else None
    except (Unreadable, ValueError, KeyError, TypeError):
        return None


def _all(rows: QuerySet[AuditEntry, Any]) -> list[Any]:
    """The rows. Raises Unreadable."""
    try:
        return list(rows)
    except OperationalError as error:
        if "UTF-8" in str(error):
            raise Unreadable from error
        raise


def length() -> int:
    """The newest entry's number, as the head row has it; 0 without one."""
    return AuditHead.objects.filter(pk=1).values_list("seq", flat=True).first() or 0


def verify() -> Verdict:
    """Walk the whole chain and say where it first breaks. Blocks, for half a minute with a million entries."""
    found: Place | Verdict = beginning()
    while isinstance(found, Place):
        found = go_on(found)
    return found


def walk(place: Place | None, seconds: float = 0) -> Place | Verdict:
    """Walk on from `place`, from the beginning for None, for about `seconds` (0 for `WALK_SECONDS`), so that a request
    ends soon however long the log is. A verdict is kept (`last_check`)."""
    deadline = time.monotonic() + (seconds or WALK_SECONDS)
    found = go_on(place or beginning())
    while isinstance(found, Place) and time.monotonic() < deadline:
        found = go_on(found)
    if isinstance(found, Verdict):
        remember(found)
    return found


def go_on(place: Place, entries: int = 0) -> Place | Verdict:
    """Walk on by at most `entries`, 0 for `CHUNK`: the new place; at the end or at a fault, the verdict."""
    count = entries or CHUNK
    # In this order: an entry is committed with its head, and remembered by the file after that.
    known, _ = remembered(head_file())
    head = AuditHead.objects.filter(pk=1).first()
    try:
        rows = _all(AuditEntry.objects.filter(seq__gt=place.last).order_by("seq").values(*ROW, **WRITTEN)[:count])
    except Unreadable:
        return go_on(place, count // 2) if count > 1 else _broken(place, f"entry {place.last + 1} cannot be read")
    if place.last == place.began:
        stray = AuditEntry.objects.order_by("seq").filter(seq__lte=place.last).values_list("seq", flat=True).first()
        if stray is not None:
            return _stray(stray, place)
    for row in rows:
        problem = _problem(row, place.mac, place.last + 1)
        if not problem and known.get(row["seq"], row["mac"]) != row["mac"]:
            problem = f"entry {row['seq']} is not the one that DATA/audit.head remembers"
        if problem:
            return _broken(place, problem)
        place = Place(row["seq"], row["mac"], place.began)
    return place if rows else _at_the_end(place, head, known)


def _stray(seq: int, place: Place) -> Place | Verdict:
    """An entry where there should be none: before the first, or among those that retention took out."""
    if place.began == 0:
        return Verdict(0, 1, f"entry 1 is missing; the next one is {seq}")
    return Verdict(0, seq, f"entry {seq} is there, but the entries up to {place.began} were taken out by retention")


def _broken(place: Place, problem: str) -> Place | Verdict:
    """The verdict; unless retention took out what lay before us, so that the walk begins anew."""
    if newest_checkpoint()[0] != place.began:
        return beginning()
    return Verdict(place.checked, place.last + 1, problem)


def _at_the_end(place: Place, head: AuditHead | None, known: Mapping[int, str]) -> Place | Verdict:
    if head is None:
        return _broken(place, "the head row, which says how many entries there are, is gone")
    if (head.seq, head.mac or GENESIS) != (place.last, place.mac):
        return _broken(place, f"the head row says {head.seq} entries, the log ends at {place.last}")
    if place.last and not known:
        return _broken(place, "DATA/audit.head is gone or empty, which remembers where the log ends")
    if known and max(known) > place.last:
        return _broken(place, f"DATA/audit.head remembers entry {max(known)}, the log ends at {place.last}")
    return Verdict(place.checked)


def _problem(row: Mapping[str, Any], previous: str, expected: int) -> str:
    seq = row["seq"]
    if seq != expected:
        return f"entry {expected} is missing; the next one is {seq}"
    if sign(previous, row["text"]) != row["mac"]:
        return f"entry {seq} was changed or re-ordered: its signature does not match"
    said = json.loads(row["text"])
    for name in COLUMNS:
        if said[name] != row[name]:
            return f"entry {seq} shows {name} {row[name]!r} but was signed with {said[name]!r}"
    operation = UUID(said["operation"]) if said["operation"] else None
    if said["seq"] != seq or row["operation"] != _written(operation):
        return f"entry {seq} shows operation {row['operation']!r} but was signed with {said['operation']!r}"
    if not _is_moment(row["moment"], said["at"]):
        return f"entry {seq} shows another time than it was signed with"
    return ""


def _written(operation: UUID | None) -> str | None:
    """As the database writes an operation's id."""
    prepared = AuditEntry._meta.get_field("operation_id").get_db_prep_value(operation, connection)
    return None if prepared is None else str(prepared)


def _is_moment(written: str, said: str) -> bool:
    """Whether the database has the moment that was signed, in the form in which it writes all of them."""
    plain = said.replace("T", " ").removesuffix("+00:00")
    if connection.vendor == "sqlite":
        return written == plain
    return _trimmed(written.removesuffix("+00")) == _trimmed(plain)


def _trimmed(moment: str) -> str:
    """PostgreSQL writes no zeros at the end of a fraction."""
    return moment.rstrip("0").rstrip(".") if "." in moment else moment


# ---- Files that were exported before ------------------------------------------------------------------------------


def verify_lines(lines: Iterator[str], place: Place) -> Place | Verdict:
    """Walk along exported JSON lines, whole entries with their signatures, from `place` on."""
    for line in lines:
        try:
            said = json.loads(line)
            mac, seq = said.pop("mac"), said["seq"]
            signed = sign(place.mac, canonical(said))
        except (ValueError, KeyError, TypeError, AttributeError):
            return Verdict(place.checked, place.last + 1, f"the line for entry {place.last + 1} is no exported entry")
        if seq != place.last + 1:
            return Verdict(place.checked, place.last + 1, f"entry {place.last + 1} is missing; the next one is {seq}")
        if signed != mac:
            return Verdict(place.checked, seq, f"entry {seq} was changed: its signature does not match")
        place = Place(seq, mac, place.began)
    return place


# ---- All the time -------------------------------------------------------------------------------------------------

PATROL_ENTRIES = 500  # a look, so that a press beside it is not kept waiting
REST_SECONDS = 6 * 3600.0


class Patrol:
    """Walks along the chain a few entries at a time and, at its end, begins anew after some hours: whoever tampers is
    found without anybody asking. For a worker's periodic thread."""

    def __init__(self) -> None:
        self._place: Place | None = None
        self._rests_until = 0.0

    def look(self) -> None:
        """Walk on a little; keep the verdict at the end. Blocks for some milliseconds."""
        if time.monotonic() < self._rests_until:
            return
        found = go_on(self._place or beginning(), PATROL_ENTRIES)
        if isinstance(found, Place):
            self._place = found
            return
        self._place, self._rests_until = None, time.monotonic() + REST_SECONDS
        remember(found)
        if not found.whole:
            log.error("the audit log is broken at entry %s: %s", found.broken_at, found.problem)


# ---- The last verdict ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Check(Verdict):
    """A verdict, and when it was found."""

    at: datetime


def remember(verdict: Verdict) -> None:
    """Keep the verdict for the pages that show it, in the data directory: whoever has the database in hand could make
    them say that all is well. Where it cannot be written, for a full disk, the log says so: who asked is still told."""
    found = {**asdict(verdict), "at": timezone.now().isoformat()}
    draft = _verdict_file().with_name(f".audit.verdict-{os.getpid()}-{threading.get_ident()}")
    try:
        draft.write_text(json.dumps(found), encoding="utf-8")
        draft.replace(_verdict_file())
    except OSError as error:
        log.error("what was found of the audit log could not be kept for its pages: %s", error)
        with contextlib.suppress(OSError):
            draft.unlink()


def last_check() -> Check | None:
    """What the last whole walk found; None before the first."""
    try:
        found = json.loads(_verdict_file().read_text(encoding="utf-8"))
        return Check(**{**found, "at": datetime.fromisoformat(found["at"])})
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):  # a power failure cut it short, or it is of another version
        return None
    except OSError as error:  # as where root verified it with a mask that lets nobody else read
        log.error("what was last found of the audit log cannot be read: %s", error)
        return None


def _verdict_file() -> Path:
    return Path(settings.DATA_DIR) / "audit.verdict"
